import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { sealRefreshToken, unsealRefreshToken } from '../../src/domain/refresh-token.ts'
import { NO_LIMITS } from '../support/env.ts'
import { type AppOwner, firstStep, type PasskeyOwner, secondStep, withApp, withPasskey } from '../support/factors.ts'
import { type Answer, type CallOptions, type Home, openHome } from '../support/home.ts'
import { startChild } from '../support/child.ts'
import { openMailHome } from '../support/mail-home.ts'
import { startRedis } from '../support/redis.ts'
import { type Service, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'

const PASSWORD = 'seven red bicycles in the rain'
const WRONG = 'no such bicycles in this rain'
const SAME_SITE = { 'sec-fetch-site': 'same-origin' }

const SPENT = ['user_id', 'session_id', 'counter', 'current_counter', 'spent_ms_ago', 'last_ip', 'last_user_agent']

/** The closed list of security events, each with its own fields: src/events/security-events.ts, by hand. */
const EVENTS: Record<string, string[]> = {
  'account.registered': ['user_id', 'session_id'],
  'account.deleted': ['user_id'],
  'login.succeeded': ['user_id', 'session_id'],
  'login.failed': ['user_id', 'cause'],
  'password.changed': ['user_id', 'session_id'],
  'password.refused': ['user_id', 'session_id'],
  'password.reset_asked': ['user_id'],
  'password.reset': ['user_id'],
  'email.verified': ['user_id', 'session_id'],
  'email.changed': ['user_id', 'session_id'],
  'code.refused': ['user_id', 'purpose', 'by'],
  'factor.added': ['user_id', 'session_id', 'factor'],
  'factor.removed': ['user_id', 'session_id', 'factor'],
  'factor.refused': ['user_id', 'session_id', 'factor'],
  'recovery_code.used': ['user_id', 'left'],
  'passkey.counter_fell': ['user_id', 'passkey_id', 'refused'],
  'session.refreshed': ['user_id', 'session_id', 'how'],
  'session.refreshed late': [...SPENT, 'how', 'streak'],
  'session.doubted': [...SPENT, 'streak'],
  'session.reused': SPENT,
  'refresh.refused': ['user_id', 'session_id', 'reason', 'counter', 'last_used_at'],
  'session.ended': ['user_id', 'session_id', 'reason'],
  'token.revoked': ['user_id', 'session_id'],
  'client.refused': ['client_id', 'cause'],
  'client.token_issued': ['client_id', 'secret_id'],
  'client.token_revoked': ['client_id'],
  'mail.sent': ['user_id', 'kind', 'tries'],
  'mail.failed': ['user_id', 'kind', 'tries', 'cause'],
  'limit.hit': ['limit'],
  'origin.refused': [],
  'key.rotated': ['kid', 'alg'],
  'store.replaced': [],
}
const CALLER = ['ip', 'request_id', 'user_agent']
const ENVELOPE = new Set(['level', 'time', 'pid', 'hostname', 'service', 'event'])

const TYPES = new Set(['string', 'number', 'object', 'boolean'])

type Line = Readonly<Record<string, unknown>>

/** What keeps a line with an event from being one of the list, with its fields and no others. */
function eventFaults(line: Line): string[] {
  const fields = EVENTS[`${String(line['event'])}${line['how'] === 'late' ? ' late' : ''}`]
  if (fields === undefined) return [`unknown event ${String(line['event'])}`]
  const isOurs = ['key.rotated', 'store.replaced', 'mail.sent', 'mail.failed'].includes(String(line['event']))
  const wanted = new Set([...fields, ...(isOurs ? [] : CALLER)])
  const given = Object.keys(line).filter((name) => !ENVELOPE.has(name))
  const odd = given.filter((name) => !wanted.has(name) || !TYPES.has(typeof line[name]))
  return [
    ...[...wanted].filter((name) => !given.includes(name)).map((name) => `no ${name}`),
    ...odd.map((name) => `odd ${name}`),
  ]
}

// ---- One event for each action

const FROM = { ip: '203.0.113.9', headers: { 'user-agent': 'Test/1.0' } }
/** What a test says of an event; the other fields are only looked at for being there. */
const SAID = new Set([
  'event',
  'user_id',
  'session_id',
  'cause',
  'how',
  'reason',
  'limit',
  'purpose',
  'by',
  'factor',
  'left',
  'refused',
])

/** Makes what fails unless an action leaves exactly these events; mails leave theirs later. */
function makeLeaves(t: Test, home: Home) {
  return async (wanted: Line[], act: () => Promise<unknown>): Promise<void> => {
    const before = home.lines.length
    await act()
    const lines = home.lines.slice(before).filter(({ event }) => event !== undefined && !event.startsWith('mail'))
    const found = lines.map((line) => Object.fromEntries(Object.entries(line).filter(([name]) => SAID.has(name))))
    t.strictSame(found, wanted)
    for (const line of lines) {
      t.strictSame(eventFaults(line), [], String(line['event']))
      t.match(
        line,
        { ip: '203.0.113.9', user_agent: 'Test/1.0', request_id: /^[0-9a-f]+-\w+$/ },
        'who, from where, which instance',
      )
    }
  }
}

t.test('every action leaves its events, with their fields and no others', async (t) => {
  const home = await openHome({ SESSION_MAX: '3', LIMIT_FAILURES: '4/15m', ALLOWED_ORIGINS: 'https://app.example.org' })
  t.teardown(home.close)
  const call = (method: string, path: string, options: CallOptions = {}) =>
    home.call(method, path, { ...options, ...FROM, headers: { ...FROM.headers, ...options.headers } })
  const login = async (email: string, password = PASSWORD) =>
    (await call('POST', '/v1/login', { body: { email, password } })).body
  const register = async (email: string) =>
    (await call('POST', '/v1/register', { body: { email, password: PASSWORD } })).body
  const refresh = async (refresh_token: string) => (await call('POST', '/v1/refresh', { body: { refresh_token } })).body

  t.same(home.events('key.rotated'), [], 'a start is no rotation')

  const leaves = makeLeaves(t, home)
  const ended = (user_id: string, session_id: string, reason: string) => ({
    event: 'session.ended',
    user_id,
    session_id,
    reason,
  })

  let me = await register('events@example.org')
  const { id: user_id } = me.user
  t.match(home.events('account.registered'), [{ user_id, session_id: me.session_id }])
  t.equal(home.lines.filter((line) => 'event' in line).length, 1)

  let phone: any
  const opens = async (act: () => Promise<void>) => {
    const before = home.lines.length
    await act()
    t.match(home.lines.slice(before), [{ event: 'login.succeeded', user_id, session_id: phone.session_id }])
    t.strictSame(eventFaults(home.lines.at(-1) ?? {}), [])
  }
  await opens(async () => (phone = await login('events@example.org')))
  await leaves([{ event: 'login.failed', user_id, cause: 'wrong_password' }], () => login('events@example.org', WRONG))
  await leaves([{ event: 'login.failed', user_id: null, cause: 'unknown_account' }], () => login('nobody@example.org'))
  await leaves([{ event: 'login.failed', user_id: null, cause: 'unknown_account' }], () => login('no address'))

  const session_id = me.session_id
  const passwords = { current_password: PASSWORD, new_password: WRONG }
  await leaves([{ event: 'password.refused', user_id, session_id }], () =>
    call('POST', '/v1/password', { token: me.access_token, body: { ...passwords, current_password: WRONG } }),
  )
  await leaves([{ event: 'password.refused', user_id, session_id }], () =>
    call('DELETE', '/v1/me', { token: me.access_token, body: { password: WRONG } }),
  )
  await leaves([], () =>
    call('POST', '/v1/password', { token: me.access_token, body: { ...passwords, new_password: 'short' } }),
  )
  await leaves(
    [ended(user_id, phone.session_id, 'password_changed'), { event: 'password.changed', user_id, session_id }],
    async () => {
      const changed = await call('POST', '/v1/password', { token: me.access_token, body: passwords })
      me = { ...me, ...changed.body }
    },
  )
  t.ok(me.refresh_token)

  const refreshed = (how: string) => ({ event: 'session.refreshed', user_id, session_id, how })
  let next: any
  await leaves([refreshed('rotate')], async () => (next = await refresh(me.refresh_token)))
  await leaves([refreshed('repeat')], () => refresh(me.refresh_token))
  const claim = unsealRefreshToken(home.deps.authKeys, next.refresh_token)
  const ahead = claim && sealRefreshToken(home.deps.authKeys, { ...claim, counter: claim.counter + 2 })
  await leaves([refreshed('heal')], async () => (next = await refresh(ahead ?? '')))
  const refused = (user_id: string | null, session_id: string | null, reason: string) => ({
    event: 'refresh.refused',
    user_id,
    session_id,
    reason,
  })
  await leaves([refused(null, null, 'token_invalid')], () => refresh('garbage'))

  phone = await login('events@example.org', WRONG)
  const tablet = await login('events@example.org', WRONG)
  const oldest = [session_id, phone.session_id, tablet.session_id]
  let watch: any
  const before = home.lines.length
  watch = await login('events@example.org', WRONG)
  t.match(home.lines.slice(before), [
    ended(user_id, oldest[0] ?? '', 'evicted'),
    { event: 'login.succeeded', user_id, session_id: watch.session_id },
  ])
  await leaves([refused(user_id, session_id, 'evicted')], () => refresh(next.refresh_token))

  await leaves([ended(user_id, phone.session_id, 'revoked')], () =>
    call('DELETE', `/v1/sessions/${phone.session_id}`, { token: watch.access_token }),
  )
  await leaves([], () => call('DELETE', `/v1/sessions/${phone.session_id}`, { token: watch.access_token }))
  await leaves([ended(user_id, tablet.session_id, 'logged_out')], () =>
    call('POST', '/v1/logout', { token: watch.access_token, body: { scope: 'others' } }),
  )
  await leaves([{ event: 'token.revoked', user_id, session_id: watch.session_id }], () =>
    call('POST', '/oauth/revoke', {
      body: `token=${watch.access_token}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }),
  )
  await leaves([ended(user_id, watch.session_id, 'logged_out')], () =>
    call('POST', '/v1/logout', { body: { refresh_token: watch.refresh_token } }),
  )
  await leaves([], () => call('POST', '/v1/logout', { body: { refresh_token: watch.refresh_token } }))

  const last = await register('last@example.org')
  const [one, two] = [await refresh(last.refresh_token), last.user.id]
  home.clock.advance(10_000)
  const late = { event: 'session.refreshed', user_id: two, session_id: last.session_id, how: 'late' }
  await leaves([late], () => refresh(last.refresh_token))
  await refresh(one.refresh_token)
  home.clock.advance(10_000)
  await leaves([late, { event: 'session.doubted', user_id: two, session_id: last.session_id }], () =>
    refresh(one.refresh_token),
  )
  await leaves(
    [
      { event: 'session.reused', user_id: two, session_id: last.session_id },
      ended(two, last.session_id, 'token_reused'),
      refused(two, last.session_id, 'token_reused'),
    ],
    () => refresh(last.refresh_token),
  )
  await leaves([refused(two, last.session_id, 'token_reused')], () => refresh(last.refresh_token))
  const back = await login('last@example.org')
  const also = await login('last@example.org')
  const { access_token: token } = also
  await leaves(
    [
      ended(two, back.session_id, 'account_deleted'),
      ended(two, also.session_id, 'account_deleted'),
      { event: 'account.deleted', user_id: two },
    ],
    () => call('DELETE', '/v1/me', { token, body: { password: PASSWORD } }),
  )

  const evil = { origin: 'https://evil.example', cookie: '__Host-refresh_token=x' }
  await leaves([{ event: 'origin.refused' }], () => call('POST', '/v1/refresh', { headers: evil }))
  for (let i = 0; i < 4; i += 1) await login('victim@example.org', WRONG)
  const limited = home.lines.length
  t.equal((await call('POST', '/v1/login', { body: { email: 'victim@example.org', password: WRONG } })).status, 429)
  t.match(home.lines.slice(limited), [{ event: 'limit.hit', limit: /^\w+$/, ip: '203.0.113.9' }])
  t.strictSame(eventFaults(home.lines.at(-1) ?? {}), [])

  for (const line of home.lines) if ('event' in line) t.strictSame(eventFaults(line), [])
  t.notMatch(JSON.stringify(home.lines), /events@|last@|victim@|nobody@|bicycles|eyJ/)
})

t.test('what is done by mail leaves its events, with no address, link or code in any line', async (t) => {
  const home = await openMailHome(t, { LOG_LEVEL: 'trace' })
  const leaves = makeLeaves(t, home)
  const post = (path: string, body: object, token?: string) =>
    home.call('POST', path, { body, ...FROM, ...(token === undefined ? {} : { token }) })
  const open = async (path: string, email: string) => (await post(path, { email, password: PASSWORD })).body
  const secrets: string[] = []
  const letterTo = async (email: string, act: () => Promise<unknown>) => {
    const { token, code } = await home.letterAfter(email, act)
    secrets.push(email, token, code)
    return { token, code }
  }

  const { user, session_id, access_token: token } = await open('/v1/register', 'mail.one@example.org')
  const user_id = user.id
  const refused = (purpose: string, by: string, whose: string | null = user_id) => ({
    event: 'code.refused',
    user_id: whose,
    purpose,
    by,
  })
  const ended = (id: string, reason: string) => ({ event: 'session.ended', user_id, session_id: id, reason })

  const first = await letterTo('mail.one@example.org', () =>
    leaves([], () => post('/v1/email/verification', {}, token)),
  )
  await leaves([refused('verify', 'token')], () => post('/v1/email/verify', { token: 'junk' }, token))
  await leaves([refused('verify', 'code')], () => post('/v1/email/verify', { code: '0000' }, token))
  const verified = { event: 'email.verified', user_id, session_id }
  await leaves([verified], () => post('/v1/email/verify', { code: first.code }, token))
  await leaves([], () => post('/v1/email/verify', { code: first.code }, token))

  const phone = await open('/v1/login', 'mail.one@example.org')
  const move = await letterTo('mail.two@example.org', () =>
    leaves([], () => post('/v1/email/change', { new_email: 'mail.two@example.org' }, token)),
  )
  await leaves([refused('change', 'code')], () => post('/v1/email/change/confirm', { code: '0000' }, token))
  const changed = { event: 'email.changed', user_id, session_id }
  await leaves([ended(phone.session_id, 'email_changed'), changed], () =>
    post('/v1/email/change/confirm', { token: move.token }, token),
  )

  const asked = { event: 'password.reset_asked', user_id }
  const reset = await letterTo('mail.two@example.org', () =>
    leaves([asked], () => post('/v1/password/forgot', { email: 'mail.two@example.org' })),
  )
  await leaves([{ ...asked, user_id: null }], () => post('/v1/password/forgot', { email: 'mail.nobody@example.org' }))
  const next = { new_password: WRONG }
  await leaves([refused('reset', 'token', null)], () => post('/v1/password/reset', { token: move.token, ...next }))
  await leaves([refused('reset', 'code', null)], () =>
    post('/v1/password/reset', { email: 'mail.nobody@example.org', code: reset.code, ...next }),
  )
  await leaves([ended(session_id, 'password_reset'), { event: 'password.reset', user_id }], () =>
    post('/v1/password/reset', { token: reset.token, ...next }),
  )

  home.smtp.say('mail.gone@example.org', 550)
  await post('/v1/password/forgot', { email: 'mail.gone@example.org' }) // nobody's: nothing is sent
  const gone = await open('/v1/register', 'mail.gone@example.org')
  await post('/v1/email/verification', {}, gone.access_token)
  await eventually(() => home.events('mail.failed').length > 0, { within: 5000 })
  const about = { user_id: gone.user.id, kind: 'verify-email', tries: 1, cause: '550' }
  t.match(home.events('mail.failed'), [about])
  const kinds = ['change-email', 'email-change-asked', 'email-changed', 'password-changed', 'reset-password']
  await eventually(() => home.events('mail.sent').length > kinds.length, { within: 5000 })
  t.strictSame(
    home
      .events('mail.sent')
      .map((line) => String(line['kind']))
      .toSorted(),
    [...kinds, 'verify-email'],
  )

  for (const line of home.lines) if ('event' in line) t.strictSame(eventFaults(line), [])
  t.equal(secrets.length, 9)
  t.strictSame(
    leaks(
      home.lines.map((line) => JSON.stringify(line)),
      secrets,
    ),
    [],
  )
  t.notMatch(JSON.stringify(home.lines), /mail\.(?:one|two|gone|nobody)@|bicycles|eyJ/)
})

t.test(
  'what is done with second factors leaves its events, with no secret, code or challenge in any line',
  async (t) => {
    const home = await openHome({ LOG_LEVEL: 'trace', LIMIT_SECOND_FACTOR: '2/24h' })
    t.teardown(home.close)
    const leaves = makeLeaves(t, home)
    const call = ((method, path, options) => home.call(method, path, { ...options, ...FROM })) as Home['call']
    const people = { ...home, call }
    const secrets: string[] = []

    const person = await home.newcomer()
    const phone = (await call('POST', '/v1/login', { body: { email: person.email, password: PASSWORD } })).body
    const user_id = person.user.id
    const own = { user_id, session_id: person.session_id }
    const ended = { event: 'session.ended', user_id, session_id: phone.session_id, reason: 'factor_changed' }
    let me = {} as AppOwner
    await leaves([ended, { event: 'factor.added', ...own, factor: 'totp' }], async () => {
      me = await withApp(people, person)
    })
    const renewing = { token: me.access_token, body: { request_id: 'request-of-Kd93' } }
    let codes: string[] = []
    await leaves([{ event: 'factor.added', ...own, factor: 'recovery_code' }], async () => {
      codes = (await call('POST', '/v1/factors/recovery-codes', renewing)).body.recovery_codes
    })
    await leaves([], () => call('POST', '/v1/factors/recovery-codes', renewing))
    secrets.push(me.app.secret, ...me.recovery_codes, ...codes, 'request-of-Kd93')

    let challenge = ''
    await leaves([], async () => {
      challenge = (await firstStep(people, me))['challenge']
    })
    secrets.push(challenge)
    const refused = { event: 'factor.refused', user_id, session_id: null, factor: 'totp' }
    await leaves([refused], () => secondStep(people, challenge, { totp: '77000077' }))
    await leaves([refused], () => secondStep(people, challenge, { totp: '77000077' }))
    await leaves([{ event: 'limit.hit', limit: 'second_factor' }], () =>
      secondStep(people, challenge, { totp: '77000077' }),
    )
    let back: any
    const before = home.lines.length
    back = (await secondStep(people, challenge, { recovery_code: codes[0] })).body
    t.match(home.lines.slice(before), [
      { event: 'recovery_code.used', user_id, left: 9 },
      { event: 'login.succeeded', user_id, session_id: back.session_id },
    ])
    const wrong = { ...refused, session_id: back.session_id, factor: 'recovery_code' }
    const token = back.access_token
    await leaves([wrong], () => call('POST', '/v1/step-up', { token, body: { recovery_code: codes[0] } }))

    const now = { user_id, session_id: back.session_id }
    let owner = {} as PasskeyOwner
    await leaves([{ event: 'factor.added', ...now, factor: 'passkey' }], async () => {
      owner = await withPasskey(people, { me: { ...me, ...back } })
    })
    const logIn = async () => {
      const { body } = await call('POST', '/v1/login/passkey/options')
      const response = owner.passkey.assert(body.public_key)
      secrets.push(response['response'].signature, body.challenge)
      return (await call('POST', '/v1/login/passkey', { body: { challenge: body.challenge, response } })).body
    }
    await logIn()
    owner.passkey.counter = 0
    const fell = { event: 'passkey.counter_fell', user_id, refused: true }
    await leaves([fell, { ...refused, factor: 'passkey' }], logIn)
    await leaves([{ event: 'factor.removed', ...now, factor: 'passkey' }], () =>
      call('DELETE', `/v1/factors/passkeys/${owner.passkeyId}`, { token: owner.access_token }),
    )
    for (const line of home.lines) if ('event' in line) t.strictSame(eventFaults(line), [])
    const lines = home.lines.map((line) => JSON.stringify(line))
    t.strictSame(leaks(lines, secrets.concat(me.app.code(), '77000077')), [])
    t.notMatch(lines.join(), /newcomer-|bicycles|eyJ/)
  },
)

t.test('keys that rotate and a store that is another one are events as well', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const home = await openHome({ REDIS_URL: redis.url })
  t.teardown(home.close)
  await home.deps.keyring.rotate()
  t.match(home.events('key.rotated'), [{ alg: 'ES256', kid: /^[\w-]+$/ }])
  await redis.cli('FLUSHALL')
  await home.deps.keyring.reload()
  t.equal(home.events('store.replaced').length, 1)
  for (const line of home.lines.filter((line) => 'event' in line)) t.strictSame(eventFaults(line), [])
})

// ---- Canaries

const CANARY = {
  password: 'canary password of Wd8Kq2',
  next: 'canary password of Zt5Lm9',
  email: 'canary.mail.Xr4@example.org',
  redis: 'canaryredisHk3v7Np1',
  secret: 'Yw5mT1rZc8KpQ3xV7nB0jL6hF2sD9gA4eUoIiPtRyWk',
  data: 'canary-data-Bn6',
}

/** Which of the secrets stand in the lines, in any of the ways a text is written down. */
function leaks(lines: readonly string[], secrets: Iterable<string>): string[] {
  const text = lines.join('\n').toLowerCase()
  const spellings = (secret: string) => [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64'),
    Buffer.from(secret).toString('base64url'),
    Buffer.from(secret).toString('hex'),
  ]
  const isThere = (secret: string) => spellings(secret).some((spelling) => text.includes(spelling.toLowerCase()))
  return [...new Set(secrets)].filter((secret) => secret.length > 5 && isThere(secret))
}

/** The tokens and cookies in an answer, whole and by their parts. */
function tokensIn({ headers, body }: { headers: Headers; body: any }): string[] {
  const cookies = headers.getSetCookie().map((cookie) => /=([^;]*)/.exec(cookie)?.[1] ?? '')
  const tokens = [body?.access_token, body?.refresh_token, ...cookies].filter(
    (token) => typeof token === 'string' && token !== '',
  )
  return tokens.flatMap((token: string) => token.split('.').concat(token, token.slice(-40)))
}

t.test(
  'no password, token, cookie, key or address is in any line at LOG_LEVEL=trace, not even when all fails',
  async (t) => {
    const redis = await startRedis({ args: ['--requirepass', CANARY.redis] })
    t.teardown(redis.stop)
    const REDIS_URL = redis.url.replace('//', `//:${CANARY.redis}@`)
    const env = {
      ...NO_LIMITS,
      REDIS_URL,
      AUTH_SECRET: CANARY.secret,
      LOG_LEVEL: 'trace',
      LIMIT_FAILURES: '5/15m',
      ALLOWED_ORIGINS: 'https://app.example.org',
    }
    const service = await startService(env)
    t.teardown(service.kill)
    const secrets = new Set(Object.values(CANARY).flatMap((value) => [value, value.split('@')[0] ?? '']))
    secrets.add('PRIVATE KEY').add('$argon2id')
    const statuses = new Set<number>()
    const send: Service['call'] = async (method, path, request) => {
      const answer = await service.call(method, path, request)
      for (const token of tokensIn(answer)) secrets.add(token)
      statuses.add(answer.status)
      return answer
    }
    const credentials = { email: CANARY.email, password: CANARY.password }
    const me = await send('POST', '/v1/register', { body: credentials })
    t.equal(me.status, 201)
    const token = me.body.access_token
    const browser = await send('POST', '/v1/login', {
      body: { ...credentials, transport: 'cookie', remember: true },
      headers: SAME_SITE,
    })
    const cookie = browser.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    t.equal(browser.status, 200)

    // what works
    await send('POST', '/v1/refresh', { headers: { ...SAME_SITE, cookie } })
    const next = await send('POST', '/v1/refresh', { body: { refresh_token: me.body.refresh_token } })
    for (const path of ['/v1/me', '/v1/sessions', '/v1/verify', '/v1/session/data']) await send('GET', path, { token })
    await send('PATCH', '/v1/session/data', { token, body: { note: CANARY.data } })
    await send('PATCH', '/v1/me/preferences', { token, body: { [CANARY.data]: 1 } })

    // what is refused, with a secret wherever one can stand
    const text = JSON.stringify(credentials)
    const malformed = [
      text.slice(0, -1),
      `${text}x`,
      text.replace('{', `{"${CANARY.password}":1,`),
      `{"email":${CANARY.email}}`,
      text.replaceAll(':"', ':["').replaceAll('",', '"],'),
    ]
    for (const path of ['/v1/login', '/v1/register', '/v1/refresh', '/v1/logout']) {
      for (const body of malformed) {
        const response = await service.fetch(path, {
          method: 'POST',
          body,
          headers: { 'content-type': 'application/json' },
        })
        statuses.add(response.status)
        t.ok(response.status >= 400)
        t.strictSame(leaks([await response.text()], [CANARY.email, token, CANARY.secret]), [])
      }
      await send('POST', `${path}?password=${encodeURIComponent(CANARY.password)}&token=${token}`, {
        body: credentials.email,
        headers: { 'x-token': token },
      })
      const typed = await service.fetch(path, {
        method: 'POST',
        body: text,
        headers: { 'content-type': `text/plain; x=${token}` },
      })
      statuses.add(typed.status)
    }
    for (const header of [
      `Bearer ${token}x`,
      `Bearer ${CANARY.password}`,
      `Basic ${btoa(`${CANARY.email}:${CANARY.password}`)}`,
      token,
    ]) {
      await send('GET', '/v1/me', { headers: { authorization: header } })
    }
    await send('DELETE', `/v1/sessions/${token}`, { token })
    await send('GET', `/${encodeURIComponent(CANARY.password)}/%zz?access_token=${token}`)
    await send('GET', `/nowhere/${token}?email=${CANARY.email}`)
    await send('PUT', `/v1/me?access_token=${token}`, { token, body: credentials })
    await send('POST', '/v1/refresh', { headers: { cookie, origin: `https://${CANARY.data}.example` } })
    await send('POST', '/v1/refresh', { headers: { ...SAME_SITE, cookie: `${cookie}; ${cookie}` } })
    await send('POST', '/v1/refresh', { headers: { ...SAME_SITE, cookie: `${cookie}x` } })
    await send('POST', '/v1/password', { token, body: { current_password: CANARY.next, new_password: 'short' } })
    await send('POST', '/v1/password', { token, body: { current_password: CANARY.next, new_password: CANARY.next } })
    for (let i = 0; i < 6; i += 1) await send('POST', '/v1/login', { body: { ...credentials, password: CANARY.next } })
    await send('POST', '/v1/register', { body: { email: CANARY.email, password: CANARY.password } })
    await send('POST', '/v1/register', {
      body: { email: 'other@example.org', password: CANARY.password.repeat(15) },
    })
    await send('PATCH', '/v1/session/data', { token, body: { note: CANARY.data.repeat(2000) } })
    await send('PATCH', '/v1/session/data', { token, body: {}, headers: { 'if-match': `"${CANARY.data}"` } })
    await send('POST', '/v1/login', { body: { ...credentials, password: CANARY.data.repeat(4000) } })
    for (const bytes of [
      `GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nX: a\u0000b\r\n\r\n`,
      `POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n${text}`,
      `GET /${token} HTTP/1.1\r\nCookie: ${cookie}\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    ]) {
      const socket = connect(service.port, '127.0.0.1')
      socket.end(bytes)
      socket.resume()
      await once(socket, 'close')
    }
    await send('POST', '/v1/logout', { body: { refresh_token: next.body.refresh_token } })
    await send('POST', '/v1/refresh', { body: { refresh_token: next.body.refresh_token } })

    // what fails: a Redis that refuses to write, whose errors carry the command, then none at all
    const admin = new Redis(REDIS_URL)
    await admin.config('SET', 'maxmemory', '1')
    for (const [method, path, body] of [
      ['POST', '/v1/login', credentials],
      ['POST', '/v1/register', { ...credentials, email: 'full@example.org' }],
      ['PATCH', '/v1/session/data', { note: CANARY.data }],
    ] as const) {
      t.equal((await send(method, path, { token: browser.body.access_token, body })).status, 503, `${path}, Redis full`)
    }
    t.ok(await eventually(() => /OOM/.test(service.lines().join('\n')), { within: 5000 }), 'the log says why')
    await admin.config('SET', 'maxmemory', '0')
    admin.disconnect()
    await redis.kill()
    for (const [method, path, body] of [
      ['POST', '/v1/login', credentials],
      ['POST', '/v1/register', { ...credentials, email: 'new@example.org' }],
      ['POST', '/v1/refresh', { refresh_token: me.body.refresh_token }],
      ['POST', '/v1/logout', { refresh_token: me.body.refresh_token }],
      ['GET', '/v1/me', undefined],
      ['PATCH', '/v1/session/data', { note: CANARY.data }],
      ['GET', '/readyz', undefined],
    ] as const) {
      t.equal((await send(method, path, { token: browser.body.access_token, ...(body && { body }) })).status, 503, path)
    }
    await eventually(() => service.lines().some((line) => line.includes('request failed')), { within: 3000 })
    const wanted = [200, 201, 204, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 429, 503]
    t.strictSame(
      wanted.filter((status) => !statuses.has(status)),
      [],
      'all of these were met',
    )
    t.equal(await service.stop(), 0)

    const lines = service.lines()
    t.ok(lines.length > 20)
    t.ok(secrets.size > 20)
    t.strictSame(leaks(lines, secrets), [])
    for (const line of lines) t.doesNotThrow(() => JSON.parse(line) as unknown, line.slice(0, 80))
    const entries = lines.map((line) => JSON.parse(line) as Line)
    for (const line of entries) {
      t.match(line['time'], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/, 'UTC')
      t.ok(Number.isInteger(line['level']))
      if ('event' in line) t.strictSame(eventFaults(line), [])
    }
  },
)

const MAIN = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))

t.test('a start that fails says which setting is at fault and prints no value', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-logs-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const file = join(dir, 'a-file')
  await writeFile(file, CANARY.data)
  const running = await startService({ DATA_DIR: join(dir, 'data'), AUTH_SECRET: CANARY.secret })
  t.teardown(running.kill)
  const weak = `secret-${CANARY.data}`
  const attempts: [string, Record<string, string>, RegExp][] = [
    ['a weak secret', { DATA_DIR: dir, AUTH_SECRET: weak }, /AUTH_SECRET/],
    ['an unreadable URL', { REDIS_URL: `redis://:${CANARY.redis}@`, AUTH_SECRET: CANARY.secret }, /REDIS_URL/],
    [
      'a bad number',
      { DATA_DIR: dir, AUTH_SECRET: CANARY.secret, PORT: '70000', SESSION_MAX: CANARY.data },
      /PORT[^]*SESSION_MAX|SESSION_MAX[^]*PORT/,
    ],
    [
      'a taken port',
      { DATA_DIR: join(dir, 'other'), AUTH_SECRET: CANARY.secret, PORT: `${running.port}` },
      /EADDRINUSE/,
    ],
    ['a folder that is a file', { DATA_DIR: file, AUTH_SECRET: CANARY.secret }, /EEXIST|ENOTDIR|directory/],
  ]
  for (const [name, env, reason] of attempts) {
    const { PATH, HOME } = process.env
    const child = startChild([process.execPath, MAIN], { PATH, HOME, PORT: '0', LOG_LEVEL: 'trace', ...env })
    const code = await eventually(() => child.exited, { within: 10_000 }).catch(() => child.end('SIGKILL'))
    const output = child.lines()
    t.ok(code !== null && code > 0, `${name}: exit code ${code}`)
    t.match(output.join('\n'), reason, name)
    t.strictSame(leaks(output, [...Object.values(CANARY), weak]), [], name)
  }
})

// ---- Log injection

const NAUGHTY: Record<string, string> = {
  ansi: '\u001b[31mred\u001b[0m',
  'C1 control sequence': '\u009b31mred',
  'next line': 'a\u0085{"event":"login.succeeded"}',
  'line separator as UTF-8': 'a\u00e2\u0080\u00a8{"event":"login.succeeded"}',
  'delete and backspace': 'a\u007f\u0008b',
  'a line of our own': 'x"}\\n{"event":"login.succeeded","user_id":"admin"}',
  'encoded line ends': '%0d%0a{"event":"login.succeeded"}%E2%80%A8',
  'other interpreters': '${jndi:ldap://x} {{7*7}} <script>alert(1)</script> %s %d %o %j',
  'tabs and quotes': '\t\'"`\\',
  'all of latin-1': String.fromCharCode(...Array.from({ length: 96 }, (_, i) => 160 + i)),
}
const UNPRINTABLE = /[\p{Cc}\u2028\u2029]/u

t.test('no header, path or field can forge a line of the log or reach a terminal', async (t) => {
  const DATA_DIR = await mkdtemp(join(tmpdir(), 'latchkey-naughty-'))
  t.teardown(() => rm(DATA_DIR, { recursive: true }))
  const service = await startService({ ...NO_LIMITS, DATA_DIR, LOG_LEVEL: 'trace', TRUST_PROXY: '127.0.0.1' })
  t.teardown(service.kill)

  async function send(path: string, headers: Record<string, string>, body: string): Promise<number> {
    const socket = connect(service.port, '127.0.0.1')
    const own = { host: 'x', connection: 'close', 'content-type': 'application/json' }
    const all = { ...own, 'content-length': `${Buffer.byteLength(body)}`, ...headers }
    const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(Buffer.from(`POST ${path} HTTP/1.1\r\n${head.join('')}\r\n`, 'latin1'))
    socket.write(body)
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    return Number(text.slice(9, 12))
  }
  const names = ['user-agent', 'x-forwarded-for', 'request-id', 'x-request-id', 'traceparent', 'referer', 'x-odd']
  const evil = { cookie: '__Host-refresh_token=x', origin: 'https://evil.example' } // refused with an event, and costs nothing
  const met = { 'origin.refused': 0, 'login.failed': 0 }
  for (const [what, value] of Object.entries(NAUGHTY)) {
    const everywhere = Object.fromEntries(names.map((name) => [name, value]))
    const fields = { email: `${value}\r\n\u2028{"event":"login.succeeded"}\u2029`, password: `${value}\r\n\u2028` }
    const path = `/v1/${encodeURIComponent(value)}?x=%0d%0a%1b%5b31m`
    const hosted = await send('/v1/refresh', { ...evil, host: value }, '')
    t.ok([400, 403].includes(hosted), `${what} as Host: refused, or refused before it is anything to log`)
    met['origin.refused'] += hosted === 403 ? 1 : 0
    const answers = await Promise.all([
      ...names.map((name) => send('/v1/refresh', { ...evil, [name]: value }, '')),
      send('/v1/refresh', { ...evil, ...everywhere }, ''),
      send('/v1/refresh', { ...evil, ...everywhere, origin: value }, ''),
      send('/v1/refresh', { ...everywhere, cookie: value, authorization: value }, ''),
      send('/v1/login', everywhere, JSON.stringify(fields)),
      send('/v1/login', {}, JSON.stringify({ ...fields, [value]: 1 })),
      send(path, everywhere, JSON.stringify(fields)),
    ])
    for (const status of answers) t.ok([400, 401, 403, 404].includes(status), `${what} ${status}`)
    met['origin.refused'] += answers.filter((status) => status === 403).length
    met['login.failed'] += answers[names.length + 3] === 401 ? 1 : 0
  }
  t.ok(met['origin.refused'] > 60 && met['login.failed'] > 5)
  t.equal(
    await send('/v1/refresh', { ...evil, 'user-agent': 'a\r\n {"event":"login.succeeded"}' }, ''),
    400,
    'a folded line',
  )
  for (const [name, count] of Object.entries(met)) {
    await eventually(() => service.events(name).length >= count, { within: 3000 })
    t.equal(service.events(name).length, count, 'one line each')
  }
  t.equal(await service.stop('SIGINT'), 0)

  const found = new Set<string>()
  for (const line of service.lines()) {
    t.doesNotThrow(() => JSON.parse(line) as unknown, JSON.stringify(line.slice(0, 80)))
    const odd = UNPRINTABLE.exec(line)
    if (odd)
      found.add(
        `U+${line.charCodeAt(odd.index).toString(16).padStart(4, '0')} ${JSON.stringify(line.slice(odd.index - 25, odd.index + 9))}`,
      )
  }
  t.strictSame([...found], [], 'no control character stands in a line')
  const events = service
    .lines()
    .map((line) => JSON.parse(line) as Line)
    .filter((line) => 'event' in line)
  t.equal(events.filter(({ event }) => event === 'login.succeeded').length, 0, 'nobody has logged in')
  for (const line of events) t.strictSame(eventFaults(line), [])
  for (const { user_agent, ip, request_id } of service.events('origin.refused')) {
    t.match(ip, /^[\d.a-f:]+$/)
    t.match(request_id, /^[0-9a-f]+-\w+$/, 'the id of a request is ours')
    t.ok(String(user_agent).length <= 256)
  }
})

t.test('a user agent with U+2028, line ends or escapes stays one field of one line', async (t) => {
  const home = await openHome()
  t.teardown(home.close)
  const answers: Answer[] = []
  for (const value of [...Object.values(NAUGHTY), 'a\u2028b\u2029c', 'a\r\nb\nc', '\ud800 lone', 'x'.repeat(10_000)]) {
    answers.push(
      await home.call('POST', '/v1/login', {
        body: { email: 'nobody@example.org', password: 'x' },
        headers: { 'user-agent': value },
      }),
    )
  }
  t.strictSame(new Set(answers.map(({ status }) => status)), new Set([401]))
  const lines = home.events('login.failed')
  t.equal(lines.length, answers.length)
  for (const line of lines) {
    t.strictSame(eventFaults(line), [])
    t.ok(line['user_agent'].length <= 256)
  }
})
