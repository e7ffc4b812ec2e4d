import t from 'tap'
import { type Algorithm, FLAGS, makePasskey } from '../support/authenticator.ts'
import { appOf, creationOptions, passkeyLogin, withApp, withPasskey } from '../support/factors.ts'
import { type Newcomer, openHome } from '../support/home.ts'

const home = await openHome()
t.teardown(home.close)
const { call } = home

const INVALID = { status: 400, body: { code: 'code_invalid' } }

const add = (token: string, response: object, more: object = {}) =>
  call('POST', '/v1/factors/passkeys', { token, body: { response, ...more } })
const list = async (token: string) => (await call('GET', '/v1/factors', { token })).body.passkeys
const isAlive = async (token: string) => (await call('GET', '/v1/verify', { token })).status === 204

async function loggedIn({ email, password }: Newcomer): Promise<string> {
  return (await call('POST', '/v1/login', { body: { email, password } })).body.access_token
}

t.test('a passkey is to be found by its user, to verify them, and to tell nothing of its maker', async (t) => {
  const me = await home.newcomer()
  const asked = await creationOptions(home, me.access_token)
  const authenticatorSelection = { residentKey: 'required', requireResidentKey: true, userVerification: 'required' }
  t.match(asked, { authenticatorSelection, attestation: 'none', excludeCredentials: [], rp: { id: 'localhost' } })
  t.equal(Buffer.from(asked['user'].id, 'base64url').toString(), me.user.id)
  t.equal(asked['user'].name, me.email)
  const owner = await withPasskey(home, { me })
  const { excludeCredentials } = await creationOptions(home, owner.access_token)
  t.match(excludeCredentials, [{ id: owner.passkey.id, type: 'public-key', transports: ['internal'] }])
})

t.test('the first passkey ends all other sessions and brings recovery codes, the second does neither', async (t) => {
  const me = await home.newcomer()
  const other = await loggedIn(me)
  const first = await withPasskey(home, { me })
  t.equal(first.recovery_codes.length, 10)
  t.equal(first.session_id, me.session_id)
  t.notOk(await isAlive(other))
  t.ok(await isAlive(me.access_token), 'the tokens of the caller stay good')
  const phone = (await passkeyLogin(home, first.passkey)).body
  const { response } = makePasskey(await creationOptions(home, first.access_token))
  const second = await add(first.access_token, response, { name: 'Key ring 🔑' })
  t.equal(second.status, 201)
  t.notOk('recovery_codes' in second.body)
  t.ok(await isAlive(phone.access_token))
  const names = (await list(first.access_token)).map(({ name }: { name: string }) => name)
  t.strictSame(names, ['Passkey', 'Key ring 🔑'])
  const { recovery_codes_left } = (await call('GET', '/v1/factors', { token: first.access_token })).body
  t.equal(recovery_codes_left, 10)
})

t.test('a passkey whose answer was lost is sent again, also by the token of before, and is the same', async (t) => {
  const me = await home.newcomer()
  const token = me.access_token
  const { response } = makePasskey(await creationOptions(home, token))
  const lost = await add(token, response)
  t.equal(lost.status, 201)
  for (const each of [token, lost.body.access_token]) {
    const again = await add(each, response)
    t.equal(again.status, 200)
    t.strictSame(again.body.recovery_codes, lost.body.recovery_codes)
    t.equal(again.body.refresh_token, lost.body.refresh_token)
    t.ok(await isAlive(again.body.access_token))
  }
  t.equal((await list(token)).length, 1)
  const [code] = lost.body.recovery_codes
  await call('POST', '/v1/step-up', { token, body: { recovery_code: code } })
  t.notOk('recovery_codes' in (await add(token, response)).body, 'not once one of them is used')
})

t.test('a passkey that is there already is not added twice, whatever challenge it answers', async (t) => {
  const me = await withPasskey(home)
  const token = me.access_token
  const known = await add(token, me.passkey.attest(await creationOptions(home, token)))
  t.equal(known.status, 200)
  t.notOk('recovery_codes' in known.body)
  t.equal((await list(token)).length, 1)
})

t.test(
  'of an app and a passkey that are enrolled at once one is the first, and its recovery codes count',
  async (t) => {
    const me = await home.newcomer()
    const token = me.access_token
    const { response } = makePasskey(await creationOptions(home, token))
    const { secret } = (await call('POST', '/v1/factors/totp', { token })).body
    const body = { code: appOf(home, secret).code() }
    const answers = await Promise.all([add(token, response), call('POST', '/v1/factors/totp/confirm', { token, body })])
    const first = answers.find(({ status }) => status < 300)
    t.equal(answers.filter(({ status, body }) => status === 403 && body.code === 'step_up_required').length, 1)
    const recovery_code = first?.body.recovery_codes[0]
    t.equal((await call('POST', '/v1/step-up', { token, body: { recovery_code } })).status, 200)
  },
)

t.test('a passkey is taken only from the session that asked for it, in ten minutes, and without a lie', async (t) => {
  const me = await home.newcomer()
  const token = me.access_token
  const options = await creationOptions(home, token)
  const sibling = await loggedIn(me)
  const stranger = await home.newcomer()
  const { response } = makePasskey(options)
  t.match(await add(sibling, response), INVALID, 'another session of the same user')
  t.match(await add(stranger.access_token, response), INVALID, 'another user')
  const lies = {
    'a foreign origin': { origin: 'https://evil.example' },
    'a subdomain': { origin: 'http://sub.localhost:3000' },
    'another port': { origin: 'http://localhost:3001' },
    'a foreign relying party': { rpId: 'evil.example' },
    'no user verification': { flags: FLAGS.UP },
    'nobody there': { flags: FLAGS.UV },
    'a frame': { crossOrigin: true },
    'a frame of a foreign page': { crossOrigin: true, topOrigin: 'https://evil.example' },
    'an assertion': { type: 'webauthn.get' },
    'no challenge of ours': { challenge: 'eA' },
    'a login challenge': { challenge: (await call('POST', '/v1/login/passkey/options')).body.public_key.challenge },
    'a step-up challenge': {
      challenge: (await call('POST', '/v1/step-up/options', { token })).body.public_key.challenge,
    },
  }
  t.match(await add(token, { ...response, id: 'eA', rawId: 'eA' }), INVALID, 'another id than it has')
  for (const [lie, ceremony] of Object.entries(lies))
    t.match(await add(token, makePasskey(options, ceremony).response), INVALID, lie)
  home.clock.advance(10 * 60_000)
  const late = (await call('POST', '/v1/step-up', { token: await refreshed(me), body: { password: me.password } })).body
  t.match(await add(late.access_token, response), INVALID, 'after ten minutes')
  t.strictSame(await list(late.access_token), [])
})

async function refreshed({ refresh_token }: Newcomer): Promise<string> {
  return (await call('POST', '/v1/refresh', { body: { refresh_token } })).body.access_token
}

t.test('what attests an authenticator is not asked for, and not looked at', async (t) => {
  const attestations = [
    { fmt: 'packed', attStmt: { alg: -7, sig: new Uint8Array(64), x5c: [new Uint8Array(500)] } },
    { fmt: 'apple', attStmt: { x5c: [new Uint8Array(500)] } },
    { fmt: 'none', attStmt: { more: 1 } },
    { fmt: 'of tomorrow', attStmt: {} },
  ]
  for (const attestation of attestations) {
    const { passkey } = await withPasskey(home, { attestation })
    t.equal((await passkeyLogin(home, passkey)).status, 200, attestation.fmt)
  }
})

for (const algorithm of ['ES256', 'EdDSA', 'RS256'] satisfies Algorithm[])
  t.test(`a passkey that signs by ${algorithm} is added, and logs in`, async (t) => {
    const { passkey } = await withPasskey(home, { algorithm })
    t.equal((await passkeyLogin(home, passkey)).status, 200)
  })

t.test('twenty passkeys are enough: for one more nothing is offered and nothing taken', async (t) => {
  const me = await withPasskey(home)
  const token = me.access_token
  const early = makePasskey(await creationOptions(home, token)).response
  for (let count = 1; count < 20; count += 1)
    t.equal((await add(token, makePasskey(await creationOptions(home, token)).response)).status, 201)
  const full = { status: 400, body: { code: 'bad_request', detail: 'There are twenty passkeys: remove one before.' } }
  t.match(await call('POST', '/v1/factors/passkeys/options', { token }), full)
  t.match(await add(token, early), full)
  t.equal((await list(token)).length, 20)
  await call('DELETE', `/v1/factors/passkeys/${me.passkeyId}`, { token })
  t.equal((await add(token, early)).status, 201)
})

t.test('an app does not make an old session good enough to add a passkey', async (t) => {
  const me = await home.newcomer()
  const options = await creationOptions(home, me.access_token)
  await withApp(home, me)
  const answer = await add(me.access_token, makePasskey(options).response)
  t.match(answer, { status: 403, body: { code: 'step_up_required', factors: ['totp', 'recovery_code'] } })
})
