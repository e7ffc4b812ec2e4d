import t from 'tap'
import { openAdminApp } from '../support/admin.ts'
import { ADMIN_KEY } from '../support/env.ts'
import { appOf, firstStep, secondStep, STEP_MS, withPasskey } from '../support/factors.ts'
import { type Answer, callApp, type Home } from '../support/home.ts'
import { type MailHome, openMailHome } from '../support/mail-home.ts'

// Where a secret of second factors could get out: a log, a mail, a trail, an export, an error.

const EXPORT_KEY = 'q3Wf8xKz1TnVb6Lr0JmYc5HsGd9PuEo2IaXvN7Mt4kQ'
const OPERATOR = { 'x-actor': 'grace', 'user-agent': 'operators-browser' }

async function openBoth(): Promise<{ readonly home: MailHome; readonly admin: Home['call'] }> {
  const keys = `ops=${ADMIN_KEY},mover+export=${EXPORT_KEY}`
  const home = await openMailHome(t, { ADMIN_PORT: '9', ADMIN_KEYS: keys, LOG_LEVEL: 'trace' })
  const app = await openAdminApp(home)
  t.teardown(() => app.close())
  return { home, admin: async (method, path, options) => callApp(app, method, path, { token: EXPORT_KEY, ...options }) }
}

const { home, admin } = await openBoth()

t.test(
  'no answer but the one that gives it, no line, mail, trail, metric or export has a secret or a code',
  async (t) => {
    const secrets: string[] = []
    const answers: Answer[] = []
    const call: Home['call'] = async (method, path, options) => {
      const answer = await home.call(method, path, options)
      answers.push(answer)
      return answer
    }
    const at = { ...home, call }
    const me = await home.newcomer()
    const old = me.access_token
    const { secret } = (await home.call('POST', '/v1/factors/totp', { token: old })).body
    const app = appOf(home, secret)
    secrets.push(secret, ...[-1, 0, 1, 2].map((steps) => app.code(steps)))
    const body = { code: app.code() }
    const confirmed = (await home.call('POST', '/v1/factors/totp/confirm', { token: old, body })).body
    home.clock.advance(STEP_MS)
    const token = confirmed.access_token
    const renewing = { token, body: { request_id: 'request-of-Kd93' } }
    const renewed = (await home.call('POST', '/v1/factors/recovery-codes', renewing)).body.recovery_codes
    const owner = await withPasskey(home, { me: { ...me, ...confirmed } })
    secrets.push(...[...confirmed.recovery_codes, ...renewed].flatMap((code: string) => [code, code.replace('-', '')]))

    const asked = await firstStep(at, me)
    const { challenge } = asked
    await secondStep(at, challenge, { totp: '00000000' })
    await secondStep(at, challenge, { recovery_code: confirmed.recovery_codes[0] })
    await secondStep(at, challenge, { totp: app.code(), recovery_code: renewed[0] })
    await secondStep(at, `${challenge}A`, { totp: app.code() })
    await secondStep(at, challenge, { recovery_code: renewed[0] })
    await secondStep(at, challenge, { passkey: owner.passkey.assert(asked['public_key']) })
    for (const factor of [
      { totp: app.code() },
      { totp: app.code(), password: me.password },
      { recovery_code: renewed[1] },
    ])
      await call('POST', '/v1/step-up', { token, body: factor })
    await call('POST', '/v1/factors/totp/confirm', { token, body: { code: app.code() } })
    await call('POST', '/v1/factors/recovery-codes', renewing)
    for (const path of ['/v1/factors', '/v1/me', '/v1/me/events', '/v1/sessions', '/v1/verify'])
      await call('GET', path, { token: owner.access_token })

    const path = `/admin/v1/users/${me.user.id}`
    for (const each of ['/admin/v1/users', path, `${path}/events`, `${path}/sessions`, '/admin/v1/export', '/metrics'])
      answers.push(await admin('GET', each))
    t.match(answers.at(-2)?.body, /"passwordHash"|"password_hash"/, 'the export with all that it may have')
    const mails = await home.mailsTo(me.email, 5)

    const isOut = (texts: readonly string[]) => secrets.filter((each) => texts.some((text) => text.includes(each)))
    t.strictSame(isOut(answers.map(({ status, headers, body: sent }) => JSON.stringify([status, headers, sent]))), [])
    t.strictSame(isOut(mails.map(({ raw }) => raw.replaceAll('=\r\n', ''))), [])
    t.strictSame(isOut(home.lines.map((line) => JSON.stringify(line))), [])
    const told = [
      ...answers.map((answer) => JSON.stringify(answer.body)),
      ...home.lines.map((line) => JSON.stringify(line)),
    ]
    t.notMatch(told.slice(-200).join(' '), 'request-of-Kd93')
    t.notMatch(home.lines.map((line) => JSON.stringify(line)).join(' '), challenge)
  },
)

t.test(
  'the operator’s removal ends every session, is in the trail by name, and is one mail without a place',
  async (t) => {
    const person = await home.newcomer()
    const owner = await withPasskey(home, { me: person })
    const path = `/admin/v1/users/${owner.user.id}`
    const remove = () => admin('DELETE', `${path}/factors`, { token: ADMIN_KEY, headers: OPERATOR, ip: '10.9.8.7' })
    const factorsOf = async () => (await admin('GET', path)).body.factors
    t.strictSame(await factorsOf(), { totp: false, passkeys: 1, recovery_codes_left: 10 })
    t.equal((await remove()).status, 204)
    t.equal((await remove()).status, 204)
    t.strictSame(await factorsOf(), { totp: false, passkeys: 0, recovery_codes_left: 0 })
    t.match(await home.call('POST', '/v1/refresh', { body: { refresh_token: owner.refresh_token } }), {
      status: 401,
      body: { code: 'session_over', reason: 'factor_changed' },
    })
    t.equal((await home.call('GET', '/v1/verify', { token: owner.access_token })).status, 401)

    const { email, password } = owner
    const { access_token: token } = (await home.call('POST', '/v1/login', { body: { email, password } })).body
    const { events } = (await home.call('GET', '/v1/me/events', { token })).body
    const removed = events.filter(({ event }: { event: string }) => event === 'factor.removed')
    t.match(removed, [{ by: 'operator' }, { by: 'operator' }])
    t.notMatch(JSON.stringify(events), /10\.9\.8\.7|grace|ops|operators-browser/)

    const mails = await home.mailsTo(email, 2)
    t.equal(mails.length, 2, 'one for the passkey, one for its removal')
    const removal = mails.find(({ subject }) => subject?.includes('removed'))
    t.ok(removal)
    t.notMatch(removal?.raw, /10\.9\.8\.7|grace|operators-browser/)
  },
)
