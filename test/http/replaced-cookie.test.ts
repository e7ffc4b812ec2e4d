import t from 'tap'
import { type Answer, openHome } from '../support/home.ts'

// A browser that logs in already has a cookie of ours: nobody could end that session any more once the new cookie is set.

const home = await openHome()
t.teardown(home.close)

const PASSWORD = 'seven red bicycles in the rain'
const SAME_SITE = { 'sec-fetch-site': 'same-origin' }
const cookieOf = ({ headers }: Answer) => String(headers['set-cookie']).split(';')[0] ?? ''
const enter = (path: '/v1/login' | '/v1/register', email: string, cookie = '', more: object = {}) =>
  home.call('POST', path, {
    body: { email, password: PASSWORD, transport: 'cookie', ...more },
    headers: { ...SAME_SITE, ...(cookie === '' ? {} : { cookie }) },
  })
const verify = async ({ body }: Answer) => (await home.call('GET', '/v1/verify', { token: body.access_token })).status

t.test('a login ends the session of the cookie it replaces, whoever it was of, and no other', async (t) => {
  const [me, you] = [await home.newcomer(), await home.newcomer()]
  const [mine, yours] = [await enter('/v1/login', me.email), await enter('/v1/login', you.email)]
  const again = await enter('/v1/login', me.email, cookieOf(mine))
  t.strictSame([await verify(mine), await verify(again), await verify(yours)], [401, 204, 204])
  const next = await enter('/v1/login', me.email, cookieOf(yours))
  t.strictSame([await verify(yours), await verify(next), await verify(again)], [401, 204, 204])
  t.match(home.events('session.ended').at(-1), { session_id: yours.body.session_id, reason: 'logged_out' })
  t.equal(await verify({ ...mine, body: me }), 204, 'a session in the body goes on')
})

t.test('where the list is full it is the session that gives way', async (t) => {
  const few = await openHome({ SESSION_MAX: '2' })
  t.teardown(few.close)
  const me = await few.newcomer()
  const send = (cookie = '') =>
    few.call('POST', '/v1/login', {
      body: { email: me.email, password: PASSWORD, transport: 'cookie' },
      headers: { ...SAME_SITE, ...(cookie === '' ? {} : { cookie }) },
    })
  const again = await send(cookieOf(await send()))
  t.equal(again.status, 200)
  for (const token of [me.access_token, again.body.access_token])
    t.equal((await few.call('GET', '/v1/verify', { token })).status, 204, 'the other device stays')
})

t.test('so does a registration', async (t) => {
  const me = await home.newcomer()
  const mine = await enter('/v1/login', me.email)
  t.equal((await enter('/v1/register', `second-${me.email}`, cookieOf(mine))).status, 201)
  t.equal(await verify(mine), 401)
})

t.test('one that fails, or asks for no cookie, ends nothing', async (t) => {
  const me = await home.newcomer()
  const mine = await enter('/v1/login', me.email)
  t.equal((await enter('/v1/login', me.email, cookieOf(mine), { password: 'another' })).status, 401)
  t.equal((await enter('/v1/register', me.email, cookieOf(mine))).status, 409)
  t.equal((await enter('/v1/login', me.email, cookieOf(mine), { transport: 'body' })).status, 200)
  t.equal((await enter('/v1/login', me.email, '__Host-refresh_token=garbage')).status, 200)
  t.equal(await verify(mine), 204)
})

t.test('two cookies are refused before anything is opened', async (t) => {
  const me = await home.newcomer()
  const mine = cookieOf(await enter('/v1/login', me.email))
  const before = home.events('login.succeeded').length
  t.match(await enter('/v1/login', me.email, `${mine}; ${mine}`), { status: 400, body: { code: 'bad_request' } })
  t.equal(home.events('login.succeeded').length, before)
})
