import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { type Home, openHome } from '../support/home.ts'
import { openMailHome } from '../support/mail-home.ts'

// Routes that are there only where the service is set up for them.

const WITH_MAIL = [
  '/v1/email/change',
  '/v1/email/change/confirm',
  '/v1/email/verification',
  '/v1/email/verify',
  '/v1/password/forgot',
  '/v1/password/reset',
]
const NOT_THERE = { status: 404, body: { code: 'not_found' } }
const routesOf = ({ app }: Home) => app.routes.map(({ method, url }) => `${method} ${url}`)
/** What one home has and the other has not. */
const without = (one: Home, other: Home) => routesOf(one).filter((route) => !routesOf(other).includes(route))

t.test('without MAIL_URL the routes that send mail or take what it holds are 404, and no others', async (t) => {
  const mailing = await openMailHome(t)
  const silent = await openHome()
  t.teardown(silent.close)
  t.strictSame(
    without(mailing, silent).toSorted(),
    WITH_MAIL.map((path) => `POST ${path}`),
  )
  const { access_token: token } = await silent.newcomer()
  for (const path of WITH_MAIL) t.match(await silent.call('POST', path, { token, body: {} }), NOT_THERE, path)
})

t.test('with closed registration nobody registers, and who has an account logs in', async (t) => {
  const DATA_DIR = await mkdtemp(join(tmpdir(), 'latchkey-closed-'))
  t.teardown(() => rm(DATA_DIR, { recursive: true }))
  const open = await openHome({ DATA_DIR })
  const { email, password } = await open.newcomer()
  await open.close()
  const closed = await openHome({ DATA_DIR, REGISTRATION: 'closed' })
  t.teardown(closed.close)
  t.strictSame(without(open, closed), ['POST /v1/register'])
  const body = { email: 'grace@example.org', password }
  t.match(await closed.call('POST', '/v1/register', { body }), NOT_THERE)
  t.equal((await closed.call('POST', '/v1/login', { body })).status, 401)
  t.equal((await closed.call('POST', '/v1/login', { body: { email, password } })).status, 200)
})
