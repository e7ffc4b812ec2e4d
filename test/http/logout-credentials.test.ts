import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Answer, type CallOptions, type Home, openHome } from '../support/home.ts'

// What a logout ends when a client shows several things, old things, or things that another instance has made.

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const SAME_SITE = { 'sec-fetch-site': 'same-origin' }

const logout = (at: Home, options: CallOptions) => at.call('POST', '/v1/logout', options)
const statusOf = async (at: Home, token: string) => (await at.call('GET', '/v1/verify', { token })).status
const refresh = (at: Home, refresh_token: string) => at.call('POST', '/v1/refresh', { body: { refresh_token } })
const kidOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
const isCleared = ({ headers }: Answer) => String(headers['set-cookie']).startsWith('__Host-refresh_token=;')
const withCookie = (token: string, headers: Record<string, string> = SAME_SITE) => ({
  headers: { ...headers, cookie: `__Host-refresh_token=${token}` },
})

/** A person with a session in the body and one in a browser. */
async function somebody(at: Home) {
  const me = await at.newcomer()
  const body = { email: me.email, password: me.password, transport: 'cookie' }
  const answer = await at.call('POST', '/v1/login', { body, headers: SAME_SITE })
  const cookie = /^__Host-refresh_token=([\w-]+)/.exec(String(answer.headers['set-cookie']))?.[1] ?? ''
  return { ...me, browser: { ...answer.body, cookie } as { access_token: string; cookie: string } }
}

async function open(t: Test, env: Record<string, string> = {}): Promise<Home> {
  const home = await openHome(env)
  t.teardown(home.close)
  return home
}

/** Two instances with different settings on one store, as a rolling deploy has them, each as the first. */
async function openTwo(t: Test, one: Record<string, string>, other: Record<string, string>) {
  const DATA_DIR = await mkdtemp(join(tmpdir(), 'latchkey-logout-'))
  t.teardown(() => rm(DATA_DIR, { recursive: true }))
  const [first, second] = [await open(t, { ...one, DATA_DIR }), await open(t, { ...other, DATA_DIR })]
  return [
    [first, second],
    [second, first],
  ] as const
}

t.test('a live access token ends its own session, whatever stands beside it', async (t) => {
  const home = await open(t)
  const stranger = await somebody(home)
  const over = await somebody(home)
  await logout(home, { body: { refresh_token: over.refresh_token } })
  await logout(home, withCookie(over.browser.cookie))
  const beside: Record<string, CallOptions> = {
    'a cookie of a session that is over': withCookie(over.browser.cookie),
    'a garbage cookie': withCookie('garbage'),
    'the cookie of another person': withCookie(stranger.browser.cookie),
    'two cookies': { headers: { ...SAME_SITE, cookie: '__Host-refresh_token=a; __Host-refresh_token=b' } },
    'a cookie in a request of another site': withCookie('garbage', { 'sec-fetch-site': 'cross-site' }),
    'a body token of a session that is over': { body: { refresh_token: over.refresh_token } },
    'a garbage body token': { body: { refresh_token: 'garbage' } },
  }
  for (const [what, options] of Object.entries(beside)) {
    const me = await somebody(home)
    const answer = await logout(home, { token: me.access_token, ...options })
    t.equal(answer.status, 204, what)
    t.equal(await statusOf(home, me.access_token), 401, `${what}: the session of the access token is over`)
    t.equal((await refresh(home, me.refresh_token)).body.reason, 'logged_out')
    const isUseless = /over|garbage/.test(what) && 'headers' in options
    t.equal(isCleared(answer), isUseless || what.includes('another site'), `${what}: the cookie`)
  }
  t.equal(await statusOf(home, stranger.access_token), 204, 'nobody else is logged out')
  t.equal(await statusOf(home, stranger.browser.access_token), 204)
})

t.test("another person's live token in the body is what was asked for: it comes first", async (t) => {
  const home = await open(t)
  const [me, you] = [await somebody(home), await somebody(home)]
  t.equal((await logout(home, { token: me.access_token, body: { refresh_token: you.refresh_token } })).status, 204)
  t.strictSame([await statusOf(home, me.access_token), await statusOf(home, you.access_token)], [204, 401])
})

t.test('the cookie counts where nothing else is ours, and only from our own pages', async (t) => {
  const home = await open(t)
  const me = await somebody(home)
  const { cookie, access_token } = me.browser
  for (const beside of [{ token: 'garbage' }, { body: { refresh_token: 'garbage' } }]) {
    const foreign = await logout(home, { ...beside, ...withCookie(cookie, { 'sec-fetch-site': 'cross-site' }) })
    t.match(foreign, { status: 403, body: { code: 'cross_site' } })
    t.notOk(foreign.headers['set-cookie'])
    t.equal(await statusOf(home, access_token), 204)
  }
  const answer = await logout(home, { token: 'garbage', ...withCookie(cookie) })
  t.equal(answer.status, 204)
  t.ok(isCleared(answer))
  t.equal(await statusOf(home, access_token), 401)
  t.equal(await statusOf(home, me.access_token), 204, 'the other session goes on')
})

t.test('an access token that was replaced ends nothing, and the cookie of its session is kept', async (t) => {
  const home = await open(t)
  const me = await somebody(home)
  const passwords = { current_password: me.password, new_password: `${me.password} again` }
  const changed = await home.call('POST', '/v1/password', { token: me.browser.access_token, body: passwords })
  const cookie = /^__Host-refresh_token=([\w-]+)/.exec(String(changed.headers['set-cookie']))?.[1] ?? ''
  for (const wait of [0, MINUTE, 10 * MINUTE]) {
    home.clock.advance(wait)
    const answer = await logout(home, { token: me.browser.access_token, ...withCookie(cookie) })
    t.equal(answer.status, 204)
    t.notOk(answer.headers['set-cookie'])
  }
  t.equal((await home.call('POST', '/v1/refresh', withCookie(cookie))).status, 200)
})

t.test('an access token logs out though its signing key is long gone', async (t) => {
  const home = await open(t)
  const me = await home.newcomer({ remember: true })
  t.ok(await home.deps.keyring.rotate())
  home.clock.advance(7 * MINUTE)
  await home.deps.keyring.reload()
  const published = (await home.call('GET', '/.well-known/jwks.json')).body.keys
  t.notOk(
    published.some(({ kid }: { kid: string }) => kid === kidOf(me.access_token)),
    'its key is gone',
  )
  t.match((await home.call('GET', '/v1/verify', { token: me.access_token })).body, { code: 'token_invalid' })
  const forged = `${me.access_token.slice(0, -12)}AAAAAAAAAAAA`
  t.match(await logout(home, { token: forged }), { status: 401, body: { code: 'token_invalid' } })
  const everywhere = await logout(home, { token: me.access_token, body: { scope: 'all' } })
  t.match(everywhere, { status: 401, body: { code: 'token_invalid' } }, 'it names a session and lets nobody in')
  t.equal((await refresh(home, me.refresh_token)).status, 200)
  t.equal((await logout(home, { token: me.access_token })).status, 204)
  t.equal((await refresh(home, me.refresh_token)).body.reason, 'logged_out')
})

t.test('and does so for as long as a session lives', async (t) => {
  const home = await open(t)
  const me = await home.newcomer({ remember: true })
  let { refresh_token } = me
  for (let day = 12; day < 90; day += 12) {
    home.clock.advance(12 * DAY)
    await home.deps.keyring.reload()
    ;({ refresh_token } = (await refresh(home, refresh_token)).body)
  }
  t.equal((await logout(home, { token: me.access_token })).status, 204)
  t.equal((await refresh(home, refresh_token)).body.reason, 'logged_out')
})

for (const changed of [
  { ISSUER: 'http://localhost:3001' },
  { AUDIENCE: 'http://localhost:3001' },
  { CLIENT_ID: 'another' },
]) {
  const [name] = Object.keys(changed)
  t.test(
    `while ${name} changes, either instance logs out what the other has issued, and lets in only its own`,
    async (t) => {
      for (const [issuer, other] of await openTwo(t, {}, changed)) {
        const me = await issuer.newcomer()
        t.equal(await statusOf(other, me.access_token), 401)
        t.match(await logout(other, { token: me.access_token, body: { scope: 'others' } }), { status: 401 })
        t.equal(await statusOf(issuer, me.access_token), 204)
        t.equal((await logout(other, { token: me.access_token })).status, 204)
        t.equal(await statusOf(issuer, me.access_token), 401)
        t.equal((await refresh(other, me.refresh_token)).body.reason, 'logged_out')
      }
    },
  )
}

t.test('while JWT_ALG changes, either instance accepts what the other has issued, and logs it out', async (t) => {
  for (const JWT_ALG of ['EdDSA', 'RS256']) {
    for (const [issuer, other] of await openTwo(t, {}, { JWT_ALG })) {
      const me = await issuer.newcomer()
      t.equal(await statusOf(other, me.access_token), 204)
      t.equal((await logout(other, { token: me.access_token })).status, 204)
      t.equal(await statusOf(issuer, me.access_token), 401)
    }
  }
})
