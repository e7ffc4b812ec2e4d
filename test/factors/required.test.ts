import t from 'tap'
import { openAdminHome } from '../support/admin.ts'
import { ADMIN, mailTo } from '../support/env.ts'
import { withApp } from '../support/factors.ts'
import type { Newcomer } from '../support/home.ts'
import { addClient, sendForm, tokenOf } from '../support/oauth.ts'

// SECOND_FACTOR=required: what a session reaches that has proven none.

const REFUSED = { status: 403, body: { code: 'step_up_required', max_age: 300, factors: [] } }
const REACHED = /^\/v1\/(me|refresh|logout|step-up(\/options)?|factors(\/.+)?)$/
const GUARDED = /^\/v1\//

const home = await openAdminHome(t, { ...ADMIN, ...mailTo('smtp://127.0.0.1:9'), SECOND_FACTOR: 'required' })

t.test(
  'of every route that asks for a token it reaches those that enrol one, log out, or show whose it is',
  async (t) => {
    const { paths } = (await home.call('GET', '/openapi.json')).body
    const routes = Object.entries<Record<string, any>>(paths).flatMap(([url, methods]) =>
      Object.entries(methods).map(([method, { security = [] }]) => ({ url, method, security })),
    )
    const asking = routes.filter(({ url, security }) => GUARDED.test(url) && security.some(({ bearer }: any) => bearer))
    t.ok(asking.length > 25, `${asking.length}`)
    const ask = async (method: string, url: string) => {
      const { access_token: token } = await home.newcomer()
      const hasBody = method !== 'get'
      return home.call(method.toUpperCase(), url.replace('{id}', 'none'), { token, ...(hasBody && { body: {} }) })
    }
    for (const { url, method } of asking) {
      const answer = await ask(method, url)
      if (REACHED.test(url)) t.not(answer.status, 403, `${method} ${url}`)
      else t.match(answer, REFUSED, `${method} ${url}`)
    }
    for (const method of ['post', 'delete'])
      t.match(await ask(method, '/v1/verify/a/gateway?acr=aal1'), REFUSED, method)
  },
)

t.test('a refresh and a password give it no more, a factor does, and the last one stays', async (t) => {
  const me = await home.newcomer({ password: 'kq7w2zmp' })
  t.match(await home.call('POST', '/v1/register', { body: { email: 'a@example.org', password: 'kq7w2zm' } }), {
    status: 422,
    body: { code: 'password_unacceptable', errors: [{ rule: 'too_short' }] },
  })
  const verify = async ({ access_token: token }: Pick<Newcomer, 'access_token'>) =>
    home.call('GET', '/v1/verify', { token })
  const refreshed = await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })
  const stepped = await home.call('POST', '/v1/step-up', { token: me.access_token, body: { password: 'kq7w2zmp' } })
  for (const tokens of [me, refreshed.body, stepped.body]) t.match(await verify(tokens), REFUSED)
  const owner = await withApp(home, { ...me, ...stepped.body })
  t.equal((await verify(owner)).status, 204)
  t.match(await verify(me), REFUSED, 'the token of before says what was proven before')
  t.match(await home.call('DELETE', '/v1/factors/totp', { token: owner.access_token }), {
    status: 409,
    body: { code: 'last_factor' },
  })
  t.match((await home.call('GET', '/v1/factors', { token: owner.access_token })).body, { totp: true })
})

t.test(
  'its access token is not active to a client that asks, its refresh token is; a machine has no factors',
  async (t) => {
    const api = await addClient(home)
    const isActive = async (token: string) =>
      (await sendForm(home, '/oauth/introspect', { token }, { client: api })).body.active
    const me = await home.newcomer()
    t.equal(await isActive(me.access_token), false)
    t.equal(await isActive(me.refresh_token), true)
    t.equal(await isActive((await withApp(home, me)).access_token), true)
    t.equal(await isActive(me.access_token), false, 'the token of before')
    const machine = await tokenOf(home, api)
    t.equal(await isActive(machine), true)
    t.equal((await home.call('GET', '/v1/verify', { token: machine })).status, 204)
  },
)
