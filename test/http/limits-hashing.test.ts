import t from 'tap'
import { openHome } from '../support/home.ts'

// What hashes a password is the dear part of the service: it has the pace of the logins, not that of the rest.

const PASSWORD = 'seven red bicycles in the rain'
const WRONG = 'no such bicycles in this rain'

t.test(
  'changing the password and removing the account go at the pace of logins, and reading oneself does not',
  async (t) => {
    const home = await openHome({ LIMIT_LOGIN: '5/1m', LIMIT_API: '100/1m' })
    t.teardown(home.close)
    const me = await home.newcomer()
    const asks = {
      login: () => home.call('POST', '/v1/login', { body: { email: me.email, password: WRONG } }),
      change: (token?: string) =>
        home.call('POST', '/v1/password', {
          body: { current_password: WRONG, new_password: PASSWORD },
          ...(token ? { token } : {}),
        }),
      remove: (token?: string) =>
        home.call('DELETE', '/v1/me', { body: { password: WRONG }, ...(token ? { token } : {}) }),
    }
    const { access_token: token } = me
    t.equal((await asks.login()).status, 401)
    t.equal((await asks.change(token)).status, 403)
    t.equal((await asks.remove(token)).status, 403)
    t.equal((await asks.change()).status, 401, 'without a token it counts, too')
    t.equal((await asks.remove('garbage')).status, 401)
    for (const ask of [asks.login, asks.change, asks.remove, () => asks.change(token), () => asks.remove(token)])
      t.match(await ask(), { status: 429, headers: { 'retry-after': /^[1-9]\d*$/ } }, '429 comes before 401')
    t.equal((await home.call('GET', '/v1/me', { token })).status, 200)
    t.strictSame(
      home.events('limit.hit').map(({ limit }) => limit),
      ['login', 'login', 'login', 'login', 'login'],
    )
  },
)

t.test('what does not hash leaves the pace of logins alone', async (t) => {
  const home = await openHome({ LIMIT_LOGIN: '1/1m', LIMIT_API: '4/1m' })
  t.teardown(home.close)
  const { access_token: token } = await home.newcomer()
  for (const path of ['/v1/me', '/v1/sessions', '/v1/session/data', '/v1/me/preferences'])
    t.equal((await home.call('GET', path, { token })).status, 200, path)
  t.equal((await home.call('GET', '/v1/me', { token })).status, 429)
  const removal = await home.call('DELETE', '/v1/me', { token, body: { password: PASSWORD } })
  t.equal(removal.status, 204, 'which the limit of the rest does not stop')
})
