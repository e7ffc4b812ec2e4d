import t, { type Test } from 'tap'
import type { CallOptions, Newcomer } from '../support/home.ts'
import { type Letter } from '../support/smtp.ts'
import { INVALID, isAlive, type MailHome, openMailHome } from '../support/mail-home.ts'
import { startRedis } from '../support/redis.ts'
import { makeWatched } from '../support/watched-store.ts'

// What requests to the routes of mails may hold, and what none of them does.

const NEW = 'nine blue umbrellas on the roof'
const EVIL = 'evil.example.net'
const ROUTES = [
  '/v1/password/forgot',
  '/v1/password/reset',
  '/v1/email/verification',
  '/v1/email/verify',
  '/v1/email/change',
  '/v1/email/change/confirm',
]
const LINKS = ['/verify-email', '/reset-password', '/change-email']

const redis = await startRedis()
t.teardown(redis.stop)
const STORES: Record<string, Record<string, string>> = { LMDB: {}, Redis: { REDIS_URL: redis.url } }

let addresses = 0
const newAddress = () => `requests-${process.pid}-${(addresses += 1)}@example.org`

const forgot = (home: MailHome, email: string, options: CallOptions = {}) =>
  home.call('POST', '/v1/password/forgot', { body: { email }, ...options })
const reset = (home: MailHome, proof: object) =>
  home.call('POST', '/v1/password/reset', { body: { ...proof, new_password: NEW } })

/** One secret of each purpose that waits for somebody. */
interface Letters {
  readonly verify: Letter
  readonly reset: Letter
  readonly change: Letter
}

async function lettersOf(home: MailHome, { access_token: token, email }: Newcomer): Promise<Letters> {
  const new_email = newAddress()
  return {
    verify: await home.letterAfter(email, () => home.call('POST', '/v1/email/verification', { token })),
    reset: await home.forgot(email),
    change: await home.letterAfter(new_email, () =>
      home.call('POST', '/v1/email/change', { token, body: { new_email } }),
    ),
  }
}

const STORIES: Record<string, (t: Test, home: MailHome) => Promise<void>> = {
  'HEAD, GET, OPTIONS and the like of every route and link of a mail change nothing': async (t, home) => {
    const me = await home.newcomer()
    const letters = await lettersOf(home, me)
    await home.mailsTo(me.email, 3) // the third has no link: it tells of the change
    const before = home.smtp.mails.length
    for (const { token: secret, code } of Object.values(letters)) {
      const query = `?token=${secret}&code=${code}&email=${me.email}&new_password=${encodeURIComponent(NEW)}`
      for (const path of [...ROUTES, ...LINKS].flatMap((each) => [each, `${each}${query}`])) {
        for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'DELETE'] as const) {
          const headers = {
            authorization: `Bearer ${me.access_token}`,
            origin: 'https://app.example.org',
            'access-control-request-method': 'POST',
          }
          const { statusCode: status } = await home.app.inject({ method, url: path, headers })
          t.ok(status >= 400, `${method} ${path.split('?')[0]}: ${status}`)
        }
      }
    }
    for (const event of ['email.verified', 'email.changed', 'password.reset', 'code.refused'])
      t.strictSame(home.events(event), [], event)
    t.equal(home.smtp.mails.length, before, 'no mail was asked for')
    t.strictSame(await isAlive(home, me), [true, true])
    const proof = { token: me.access_token, body: { token: letters.verify.token } }
    t.equal((await home.call('POST', '/v1/email/verify', proof)).status, 200, 'they still work')
    t.equal((await reset(home, { token: letters.reset.token })).status, 204)
  },

  'a secret that comes in the query of a POST does not count': async (t, home) => {
    const me = await home.newcomer()
    const { token } = await home.forgot(me.email)
    const path = `/v1/password/reset?token=${token}`
    t.equal((await home.call('POST', path, { body: { new_password: NEW } })).status, 400)
    t.strictSame(await isAlive(home, me), [true, true])
  },

  'Host, X-Forwarded-Host, Origin and what else a request says of places never reach a mail': async (t, home) => {
    const me = await home.newcomer()
    const headers = {
      host: EVIL,
      'x-forwarded-host': EVIL,
      'x-forwarded-server': EVIL,
      'x-original-host': EVIL,
      'x-original-url': `//${EVIL}/`,
      'x-forwarded-proto': 'http',
      'x-forwarded-for': EVIL,
      forwarded: `host=${EVIL};for=${EVIL}`,
      referer: `https://${EVIL}/`,
      origin: `https://${EVIL}`,
      from: `somebody@${EVIL}`,
    }
    await home.letterAfter(me.email, () => forgot(home, me.email, { headers }))
    const token = me.access_token
    await home.letterAfter(me.email, () => home.call('POST', '/v1/email/verification', { token, headers }))
    const body = { new_email: newAddress() }
    await home.letterAfter(body.new_email, () => home.call('POST', '/v1/email/change', { token, body, headers }))
    await home.mailsTo(me.email, 3)
    for (const { raw, text = '' } of home.smtp.mails) {
      t.notMatch(raw, EVIL)
      t.notMatch(text, EVIL)
      for (const [link] of text.matchAll(/https?:\/\/\S+/g)) t.match(link, /^https:\/\/app\.example\.org(\/|$)/)
    }
  },

  'a user agent is text of one line in a mail, and nothing else': async (t, home) => {
    const me = await home.newcomer()
    const agents = [
      'Browser/1.0\r\nBcc: thief@example.net\r\n\r\nyour code is 12345678',
      'Browser\u0000\u0007\u001b[31m/1.0\u0085',
      Buffer.from('브라우저\u2028한\u202e글').toString('latin1'),
      `Browser/1.0 ${'x'.repeat(10_000)}`,
      '{{token}} {code} ${link} %s',
      '.\r\n.\r\nMAIL FROM:<thief@example.net>',
    ]
    for (const agent of agents) {
      const { text } = await home.letterAfter(me.email, () =>
        forgot(home, me.email, { headers: { 'user-agent': agent } }),
      )
      const [mail] = home.smtp.mailsTo(me.email).slice(-1)
      t.strictSame(
        mail?.to?.map(({ address }) => address),
        [me.email],
      )
      t.notOk(mail?.cc ?? mail?.bcc)
      t.notOk(mail?.headers.some(({ key }) => key === 'bcc'))
      t.notMatch(text, /[^\P{Cc}\n\r]|[\u2028\u202e]/u)
      t.notMatch(text, 'x'.repeat(81))
      t.notMatch(text.split('\n'), [/^Bcc|^MAIL FROM|^\.$|^your code/])
    }
    t.strictSame(
      home.smtp.mails.filter(({ recipient }) => recipient !== me.email),
      [],
    )
    const [, , korean] = home.smtp.mailsTo(me.email)
    t.match(korean?.text, '브라우저한글')
  },

  'the longest address, one of Korean letters and odd ones get their mail': async (t, home) => {
    const long = `${'a'.repeat(64)}@${'b'.repeat(61)}.${'c'.repeat(61)}.${'d'.repeat(61)}.kr`
    t.equal(long.length, 253, 'the server of this test takes no longer one')
    const korean = `한글${(addresses += 1)}@예시.한국`
    for (const email of [long, korean, `o'brien+a=b/c|d?{e}%f!#$&*^_\`~-${(addresses += 1)}@example.org`]) {
      const me = await home.call('POST', '/v1/register', {
        body: { email, password: 'seven red bicycles in the rain' },
      })
      t.equal(me.status, 201)
      t.equal((await forgot(home, email)).status, 202)
      const [mail] = await home.mailsTo(email, 1)
      const [, token] = /#token=([\w-]+)/.exec(mail?.text ?? '') ?? []
      t.equal((await reset(home, { token })).status, 204)
    }
    t.equal((await forgot(home, `${long}r`)).status, 202)
    t.equal((await forgot(home, `${long}rr`)).status, 400, 'one that is too long')
  },

  'what is malformed, huge, doubled or of the wrong type is refused, and nothing is lost': async (t, home) => {
    const me = await home.newcomer()
    const letters = await lettersOf(home, me)
    const email = JSON.stringify(me.email)
    const bodies: readonly (readonly [status: number, body: string, type?: string])[] = [
      [400, '{'],
      [400, 'null'],
      [400, '[]'],
      [400, '"x"'],
      [400, '5'],
      [400, '\u0000'],
      [400, `{"email":${email},"email":"other@example.org"}`],
      [400, `{"token":"x","token":"y","new_password":"${NEW}"}`],
      [400, '{"__proto__":{"email":"a@example.org"}}'],
      [400, '{"constructor":{"prototype":{}}}'],
      [400, `{"email":[${email}]}`],
      [400, `{"email":{"$ne":""}}`],
      [400, `{"email":${email},"locale":{}}`],
      [400, `{"email":${email},"unknown":1}`],
      [400, `{"email":"${'a'.repeat(2000)}@example.org"}`],
      [400, `{"email":"\\ud800@example.org"}`],
      [400, `{"email":"a@example.org\\r\\nBcc: thief@example.net"}`],
      [400, `{"token":true,"new_password":"${NEW}"}`],
      [400, `{"token":"x","code":"00000000","email":${email},"new_password":"${NEW}"}`],
      [400, `{"code":"00000000","new_password":"${NEW}"}`],
      [413, `{"email":"${'a'.repeat(40_000)}"}`],
      [413, `{"token":${'['.repeat(40_000)}`],
      [415, `email=${me.email}`, 'application/x-www-form-urlencoded'],
      [415, `{"email":${email}}`, 'text/plain'],
      [415, `<email>${me.email}</email>`, 'application/xml'],
    ]
    const slow: string[] = []
    for (const path of ROUTES) {
      for (const [status, body, type = 'application/json'] of bodies) {
        const began = performance.now()
        const answer = await home.call('POST', path, {
          token: me.access_token,
          body,
          headers: { 'content-type': type },
        })
        if (performance.now() - began > 500) slow.push(`${path} ${body.slice(0, 40)}`)
        const about = `${path} ${body.slice(0, 60)}`
        t.equal(answer.status, status, about)
        t.match(answer.body.code, /^(bad_request|too_large|unsupported_media_type)$/, about)
        t.notMatch(JSON.stringify(answer.body), me.email, 'no echo')
      }
    }
    t.strictSame(slow, [])
    t.strictSame(home.events('code.refused'), [])
    t.strictSame(await isAlive(home, me), [true, true])
    const proof = { token: me.access_token, body: { token: letters.change.token } }
    t.equal((await home.call('POST', '/v1/email/change/confirm', proof)).status, 200)
  },

  'purposes, users and kinds of tokens are not interchangeable': async (t, home) => {
    const [me, other] = [await home.newcomer(), await home.newcomer()]
    const [mine, theirs] = [await lettersOf(home, me), await lettersOf(home, other)]
    const doors = {
      verify: (proof: object) => home.call('POST', '/v1/email/verify', { token: me.access_token, body: proof }),
      change: (proof: object) => home.call('POST', '/v1/email/change/confirm', { token: me.access_token, body: proof }),
      reset: (proof: object) => reset(home, proof),
    }
    const others = { access: me.access_token, refresh: me.refresh_token, session: me.session_id, user: me.user.id }
    for (const [purpose, open] of Object.entries(doors)) {
      for (const [from, { token, code }] of Object.entries(mine).filter(([each]) => each !== purpose)) {
        t.match(await open({ token }), INVALID, `the token of ${from} at ${purpose}`)
        const email = purpose === 'reset' ? { email: me.email } : {}
        t.match(await open({ ...email, code }), INVALID, `the code of ${from} at ${purpose}`)
        t.notOk(code === mine[purpose as keyof Letters].code, 'codes differ')
      }
      for (const [from, { token, code }] of Object.entries(theirs)) {
        if (purpose !== 'reset') t.match(await open({ token }), INVALID, `another’s token of ${from} at ${purpose}`)
        const email = purpose === 'reset' ? { email: me.email } : {}
        t.match(await open({ ...email, code }), INVALID, `another’s code of ${from} at ${purpose}`)
      }
      for (const [kind, token] of Object.entries(others)) {
        const { status, body } = await open({ token: token.slice(0, 512) })
        t.match({ status, body }, INVALID, `the ${kind} token at ${purpose}`)
      }
    }
    for (const { token, code } of Object.values(mine)) {
      t.equal((await home.call('GET', '/v1/me', { token })).status, 401, 'it is no access token')
      for (const refresh_token of [token, code]) {
        const refreshed = await home.call('POST', '/v1/refresh', { body: { refresh_token } })
        t.match(refreshed, { status: 401, body: { code: 'token_invalid' } }, 'and no refresh token')
      }
      const cookie = { headers: { cookie: `__Host-refresh_token=${token}`, 'sec-fetch-site': 'same-origin' } }
      t.equal((await home.call('POST', '/v1/refresh', cookie)).status, 401, 'and none in a cookie')
    }
    t.strictSame(await isAlive(home, me), [true, true])
    t.strictSame(
      [home.events('email.verified'), home.events('email.changed'), home.events('password.reset')],
      [[], [], []],
    )
    t.equal((await doors.verify({ token: mine.verify.token })).status, 200, 'each opens its own door')
    t.equal((await doors.change({ token: mine.change.token })).status, 200)
    t.equal((await reset(home, { token: theirs.reset.token })).status, 204)
    t.strictSame(await isAlive(home, me), [true, true], 'and that of nobody else')
  },
}

for (const [store, env] of Object.entries(STORES)) {
  for (const [name, story] of Object.entries(STORIES))
    t.test(`${name}, on ${store}`, async (t) => {
      await redis.cli('FLUSHALL')
      await story(t, await openMailHome(t, env))
    })
}

t.test('a token that is none of ours asks the store for nothing', async (t) => {
  const watched = makeWatched()
  const home = await openMailHome(t, { LIMIT_LOGIN: '1000000/1m' }, { store: watched.around })
  const me = await home.newcomer()
  const { token } = await home.forgot(me.email)
  await home.deps.sender?.stop()
  const asked: string[] = []
  watched.watch = (command, run) => {
    if (command.kind !== 'count') asked.push(command.kind)
    return run()
  }
  const flipped = Buffer.from(token, 'base64url')
  for (const place of [0, 3, 5, 7, 25, 40]) {
    flipped.writeUInt8(flipped.readUInt8(place) ^ 1, place)
    t.match(await reset(home, { token: flipped.toString('base64url') }), INVALID)
    flipped.writeUInt8(flipped.readUInt8(place) ^ 1, place)
  }
  for (const junk of ['', 'x', token.slice(1), `${token}A`, `${token}=`, 'A'.repeat(512)])
    t.match(await reset(home, { token: junk }), INVALID)
  t.strictSame(asked, [])
})
