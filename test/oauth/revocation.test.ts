import t, { type Test } from 'tap'
import { StoreUnavailable } from '../../src/store/store.ts'
import { type AdminHome, openAdminHome } from '../support/admin.ts'
import type { FormOptions } from '../support/oauth.ts'
import { addClient, sendForm, tokenOf } from '../support/oauth.ts'
import { startRedis } from '../support/redis.ts'
import { makeWatched } from '../support/watched-store.ts'

// RFC 7009: what is revoked is dead everywhere once it is answered, and what is no token of ours is no error.

const OTHER = 'https://reports.example.org'
const watched = makeWatched()
const home = await openAdminHome(t, {}, { store: watched.around })
const redis = await startRedis()
t.teardown(redis.stop)
const onRedis = await openAdminHome(t, { REDIS_URL: redis.url })

const revoke = (token: string, at: AdminHome = home, options: FormOptions = {}) =>
  sendForm(at, '/oauth/revoke', { token }, options)
const verify = (token: string, at: AdminHome = home) => at.call('GET', '/v1/verify', { token })
const refresh = (refresh_token: string, at: AdminHome = home) =>
  sendForm(at, '/oauth/token', { grant_type: 'refresh_token', refresh_token })

function onBoth(name: string, story: (t: Test, at: AdminHome) => Promise<void>): void {
  t.test(`${name}, on LMDB`, (t) => story(t, home))
  t.test(`${name}, on Redis`, (t) => story(t, onRedis))
}

onBoth('an access token dies alone, and its session goes on', async (t, at) => {
  const me = await at.newcomer()
  const next = (await refresh(me.refresh_token, at)).body
  const answer = await revoke(me.access_token, at)
  t.match({ status: answer.status, body: answer.body }, { status: 200, body: '' })
  t.match(await verify(me.access_token, at), { status: 401, body: { code: 'token_revoked' } })
  t.equal((await verify(next.access_token, at)).status, 204)
  t.equal((await refresh(next.refresh_token, at)).status, 200)
  t.match(at.events('token.revoked').at(-1), { user_id: me.user.id, session_id: me.session_id })
  t.equal((await revoke(me.access_token, at)).status, 200, 'again')
})

onBoth('a refresh token takes its session, a spent one too', async (t, at) => {
  for (const isSpent of [false, true]) {
    const me = await at.newcomer()
    const last = isSpent ? (await refresh(me.refresh_token, at)).body : me
    t.equal((await revoke(me.refresh_token, at)).status, 200)
    t.match(await verify(last.access_token, at), { status: 401, body: { code: 'token_revoked' } })
    t.match(await refresh(last.refresh_token, at), { status: 400, body: { error: 'invalid_grant' } })
    t.match(at.events('session.ended').at(-1), { session_id: me.session_id, reason: 'logged_out' })
  }
})

onBoth('the token of a client dies alone, of whatever audience', async (t, at) => {
  const client = await addClient(at, { audiences: ['http://localhost:3000', OTHER] })
  const [one, other, elsewhere] = [
    await tokenOf(at, client),
    await tokenOf(at, client),
    await tokenOf(at, client, { resource: OTHER }),
  ]
  for (const token of [one, elsewhere]) t.equal((await revoke(token, at, { client })).status, 200)
  t.match(await verify(one, at), { status: 401, body: { code: 'token_revoked' } })
  t.equal((await verify(other, at)).status, 204)
  t.strictSame((await sendForm(at, '/oauth/introspect', { token: elsewhere }, { client })).body, { active: false })
  t.match(at.events('client.token_revoked').at(-1), { client_id: client.client_id })
})

t.test('a session in a cookie is ended by its token, too, whoever has found it', async (t) => {
  const me = await home.newcomer()
  const login = await home.call('POST', '/v1/login', {
    body: { email: me.email, password: me.password, transport: 'cookie' },
    headers: { 'sec-fetch-site': 'same-origin' },
  })
  const [token = ''] = /(?<==)[^;]+/.exec(String(login.headers['set-cookie'])) ?? []
  t.equal((await revoke(token)).status, 200)
  t.equal((await verify(login.body.access_token)).status, 401)
  t.equal((await verify(me.access_token)).status, 204)
})

t.test('what is no token of ours is 200, and nothing happens', async (t) => {
  const me = await home.newcomer()
  const [header, payload] = me.access_token.split('.')
  for (const token of ['x', 'a.b.c', `${header}.${payload}.AAAA`, `${me.refresh_token.slice(0, -4)}AAAA`, 'é'])
    t.equal((await revoke(token)).status, 200, token)
  t.equal((await verify(me.access_token)).status, 204)
  t.equal((await refresh(me.refresh_token)).status, 200)
  t.match(await revoke(''), { status: 400, body: { error: 'invalid_request' } })
})

t.test('credentials are not needed, but those that are sent must be right', async (t) => {
  const me = await home.newcomer()
  const client = await addClient(home)
  const wrong = { ...client, client_secret: `${client.client_secret.slice(0, -1)}_` }
  t.match(await revoke(me.access_token, home, { client: wrong }), {
    status: 401,
    headers: { 'www-authenticate': 'Basic realm="latchkey"' },
    body: { error: 'invalid_client' },
  })
  t.equal((await verify(me.access_token)).status, 204)
})

onBoth('a revocation that races refreshes ends what they have got', async (t, at) => {
  for (let round = 0; round < 5; round += 1) {
    const me = await at.newcomer()
    const racing = Array.from({ length: 6 }, () => refresh(me.refresh_token, at))
    const [revoked, ...answers] = await Promise.all([revoke(me.refresh_token, at), ...racing])
    t.equal(revoked.status, 200)
    for (const { status, body } of answers) {
      t.ok(status === 200 || body.error === 'invalid_grant', `${status}`)
      if (status !== 200) continue
      t.equal((await verify(body.access_token, at)).status, 401)
      t.equal((await refresh(body.refresh_token, at)).status, 400)
    }
  }
})

t.test('while the store is away it is 503, and the repeat revokes', async (t) => {
  const me = await home.newcomer()
  const you = await home.newcomer()
  const machine = await tokenOf(home, await addClient(home))
  t.teardown(() => (watched.watch = null))
  for (const token of [me.access_token, you.refresh_token, machine]) {
    watched.watch = async (command, run) => {
      if (command.kind === 'commit') throw new StoreUnavailable('away')
      return run()
    }
    const answer = await revoke(token)
    t.match(answer, { status: 503, headers: { 'retry-after': '1' }, body: { error: 'temporarily_unavailable' } })
    watched.watch = null
    t.equal((await revoke(token)).status, 200)
  }
  for (const token of [me.access_token, you.access_token, machine]) t.equal((await verify(token)).status, 401)
})
