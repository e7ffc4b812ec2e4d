import { disable } from '../../src/auth/accounts/disable.ts'
import { makePasskey, type SoftPasskey } from '../support/authenticator.ts'
import { type FactorHome, firstStep, secondStep, withApp, withPasskey } from '../support/factors.ts'
import type { Answer, CallOptions, Home } from '../support/home.ts'

// The part of the tour that people with second factors make. `home.call` is what looks at each answer.

const SAME_SITE = { 'sec-fetch-site': 'same-origin' }
const NOBODY = { ip: '', network: '', userAgent: '', requestId: '' }
/** Older than a fresh proof is. */
const STALE_MS = 301_000

type Visitor = FactorHome & Pick<Home, 'deps'>
type Call = (path: string, options: CallOptions) => Promise<Answer>

/** A passkey that nobody has. */
export function strangePasskey(): SoftPasskey {
  return makePasskey({ rp: { id: 'localhost' }, user: { id: 'eA' }, challenge: 'eA' }).passkey
}

/** An authenticator app and recovery codes: enrolled, shown at a login, renewed, removed. */
export async function visitWithApp(home: Visitor): Promise<void> {
  const post: Call = (path, options) => home.call('POST', path, options)
  const { access_token: bare } = await home.newcomer()
  await post('/v1/factors/recovery-codes', { token: bare, body: { request_id: 'a' } })
  await post('/v1/factors/totp', { token: bare })
  await post('/v1/factors/totp/confirm', { token: bare, body: { code: '0' } })

  const me = await withApp(home)
  await home.call('GET', '/v1/factors', { token: me.access_token })
  const renew = () => post('/v1/factors/recovery-codes', { token: me.access_token, body: { request_id: 'mine' } })
  const [recovery_code] = (await renew()).body.recovery_codes
  const { challenge } = await firstStep(home, me)
  await secondStep(home, challenge, { totp: '0' })
  await secondStep(home, challenge, { recovery_code })
  await secondStep(home, 'none', { totp: me.app.code() })
  await renew()
  const wish = { body: { email: me.email, password: me.password, transport: 'cookie' }, headers: SAME_SITE }
  const inCookie = (await post('/v1/login', wish)).body.challenge
  for (const headers of [{}, SAME_SITE]) await secondStep(home, inCookie, { totp: me.app.code() }, { headers })

  await post('/v1/step-up', { token: me.access_token, body: { password: me.password } })
  await home.call('DELETE', '/v1/factors/totp', { token: me.access_token })
}

/** Passkeys: made, named, used at a login and a step-up, removed. */
export async function visitWithPasskey(home: Visitor): Promise<void> {
  const post: Call = (path, options) => home.call('POST', path, options)
  const me = await withPasskey(home)
  const own = { token: me.access_token }
  const { response } = await newPasskey(post, me.access_token)
  const again = { ...own, body: { response, name: 'My laptop' } }
  for (let turn = 0; turn < 2; turn += 1) await post('/v1/factors/passkeys', again)
  const { access_token: another } = await home.newcomer()
  await post('/v1/factors/passkeys', { ...again, token: another })
  await home.call('GET', '/v1/factors', own)
  for (const id of [me.passkeyId, 'none'])
    await home.call('PATCH', `/v1/factors/passkeys/${id}`, { ...own, body: { name: 'My phone' } })
  const step = (await post('/v1/step-up/options', own)).body
  const shown = { challenge: step.challenge, passkey: me.passkey.assert(step.public_key) }
  for (const challenge of ['none', step.challenge]) await post('/v1/step-up', { ...own, body: { ...shown, challenge } })

  const logIn = async (passkey: SoftPasskey, wish: object = {}, headers = {}) => {
    const { challenge, public_key } = (await post('/v1/login/passkey/options', {})).body
    const body = { challenge, response: passkey.assert(public_key), ...wish }
    await post('/v1/login/passkey', { body, headers })
  }
  for (const wish of [{}, { challenge: 'none' }, { transport: 'cookie' }]) await logIn(me.passkey, wish)
  await logIn(me.passkey, { transport: 'cookie' }, SAME_SITE)
  await logIn(strangePasskey())
  for (const id of [me.passkeyId, me.passkeyId]) await home.call('DELETE', `/v1/factors/passkeys/${id}`, own)

  const other = await withPasskey(home)
  await disable(home.deps, other.user.id, null, NOBODY)
  await logIn(other.passkey)
}

/** What wants a fresh session, long after the login; the last one wants it beside the password. */
export async function visitStale(home: Visitor): Promise<void> {
  const me = await withApp(home)
  const { access_token: fresh, refresh_token } = me
  const post: Call = (path, options) => home.call('POST', path, options)
  const { response } = await newPasskey(post, fresh)
  home.clock.advance(STALE_MS)
  const { access_token: token } = (await post('/v1/refresh', { body: { refresh_token } })).body
  await post('/v1/factors/totp', { token })
  await post('/v1/factors/recovery-codes', { token, body: { request_id: 'b' } })
  await post('/v1/factors/passkeys/options', { token })
  await post('/v1/factors/passkeys', { token, body: { response } })
  for (const factor of ['totp', 'passkeys/none']) await home.call('DELETE', `/v1/factors/${factor}`, { token })
  await home.call('DELETE', '/v1/me', { token, body: { password: me.password } })

  const { access_token: old, refresh_token: next } = await home.newcomer()
  await post('/v1/factors/totp', { token: old })
  home.clock.advance(STALE_MS)
  const later = (await post('/v1/refresh', { body: { refresh_token: next } })).body.access_token
  await post('/v1/factors/totp/confirm', { token: later, body: { code: '0' } })
}

/** Where a second factor is required: whoever has one keeps one. */
export async function visitRequired(home: Visitor): Promise<void> {
  const app = await withApp(home)
  await home.call('DELETE', '/v1/factors/totp', { token: app.access_token })
  const owner = await withPasskey(home)
  await home.call('DELETE', `/v1/factors/passkeys/${owner.passkeyId}`, { token: owner.access_token })
}

async function newPasskey(post: Call, token: string) {
  return makePasskey((await post('/v1/factors/passkeys/options', { token })).body.public_key)
}
