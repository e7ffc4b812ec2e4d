import t from 'tap'
import { FLAGS, makePasskey, type SoftPasskey } from '../support/authenticator.ts'
import {
  askForPasskey,
  creationOptions,
  firstStep,
  passkeyLogin,
  type PasskeyOwner,
  secondStep,
  withPasskey,
} from '../support/factors.ts'
import { type Answer, openHome } from '../support/home.ts'

// Assertions that prove nothing, at each door that takes one.

const home = await openHome()
t.teardown(home.close)
const { call } = home

const INVALID = { status: 400, body: { code: 'code_invalid' } }
const me = await withPasskey(home)
const other = await withPasskey(home)

type Asked = Readonly<Record<string, any>>

/** A door: its challenge, and what comes of an answer to it. */
interface Door {
  readonly ask: () => Promise<Asked>
  readonly answer: (challenge: string, assertion: object) => Promise<Answer>
  readonly refused: { readonly status: number; readonly body: { readonly code: string } }
}

const refused = { status: 401, body: { code: 'bad_credentials' } }
let session: Pick<PasskeyOwner, 'access_token' | 'refresh_token'> = me
const doors: Readonly<Record<string, Door>> = {
  'a login without a name': {
    ask: () => askForPasskey(home),
    answer: (challenge, response) => call('POST', '/v1/login/passkey', { body: { challenge, response } }),
    refused,
  },
  'a second step': {
    ask: () => firstStep(home, me),
    answer: (challenge, passkey) => secondStep(home, challenge, { passkey }),
    refused,
  },
  'a step-up': {
    ask: () => askForPasskey(home, session.access_token),
    answer: (challenge, passkey) =>
      call('POST', '/v1/step-up', { token: session.access_token, body: { challenge, passkey } }),
    refused: { status: 403, body: { code: 'wrong_password' } },
  },
}

const foreignText = (text: string) => Buffer.from(text).toString('base64url')

const LIES = {
  'of a foreign origin': { origin: 'https://evil.example' },
  'of a subdomain': { origin: 'http://sub.localhost:3000' },
  'of another port': { origin: 'http://localhost:3001' },
  'of another scheme': { origin: 'https://localhost:3000' },
  'of an app that is not listed': { origin: `android:apk-key-hash:${'A'.repeat(43)}` },
  'for another relying party': { rpId: 'evil.example' },
  'without user verification': { flags: FLAGS.UP },
  'without user presence': { flags: FLAGS.UV },
  'with neither': { flags: 0 },
  'from a cross-origin frame': { crossOrigin: true },
  'from a frame of a foreign page': { crossOrigin: true, topOrigin: 'https://evil.example' },
  'from a frame of our own page': { crossOrigin: true, topOrigin: 'http://localhost:3000' },
  'with a top origin and no frame': { topOrigin: 'https://evil.example' },
  'that was made for a registration': { type: 'webauthn.create' },
  'of a challenge of its own': { challenge: foreignText('a challenge') },
  'that names another user': { userHandle: foreignText(other.user.id) },
  'that names nobody we know': { userHandle: foreignText('stranger') },
}

for (const [name, { ask, answer, refused: no }] of Object.entries(doors)) {
  t.test(`at ${name} an assertion that lies proves nothing, and the challenge stays good`, async (t) => {
    const { challenge, public_key } = await ask()
    for (const [lie, ceremony] of Object.entries(LIES))
      t.match(await answer(challenge, me.passkey.assert(public_key, ceremony)), no, lie)
    t.equal((await answer(challenge, me.passkey.assert(public_key))).status, 200)
  })

  t.test(`at ${name} an assertion that was changed on its way proves nothing`, async (t) => {
    const { challenge, public_key } = await ask()
    const assertion = me.passkey.assert(public_key)
    for (const member of ['signature', 'authenticatorData', 'clientDataJSON']) {
      const bytes = Buffer.from(assertion['response'][member], 'base64url')
      bytes[bytes.length - 2]! ^= 1
      const response = { ...assertion['response'], [member]: bytes.toString('base64url') }
      t.match(await answer(challenge, { ...assertion, response }), no, member)
    }
    const signature = me.passkey.assert(public_key)['response'].signature
    const swapped = { ...assertion, response: { ...assertion['response'], signature } }
    t.match(await answer(challenge, swapped), no, 'the signature of another assertion')
    t.match(await answer(challenge, { ...assertion, id: other.passkey.id, rawId: other.passkey.id }), no)
    t.match(await answer(challenge, { ...assertion, rawId: other.passkey.id }), no)
    t.match(await answer(challenge, other.passkey.assert(public_key, { userHandle: foreignText(me.user.id) })), no)
    t.equal((await answer(challenge, me.passkey.assert(public_key))).status, 200)
  })

  t.test(`at ${name} a challenge of anything else is none`, async (t) => {
    const elsewhere = Object.entries(doors).filter(([each]) => each !== name)
    const options = await creationOptions(home, await strong())
    const registration = Buffer.from(options['challenge'], 'base64url').toString()
    t.match(await answer(registration, me.passkey.assert({ ...options, rpId: 'localhost' })), INVALID, 'registration')
    for (const [place, { ask: askElsewhere }] of elsewhere) {
      const asked = await askElsewhere()
      t.match(await answer(asked['challenge'], me.passkey.assert(asked['public_key'])), INVALID, place)
    }
    for (const junk of ['', 'x', 'a.b', `${registration}x`]) {
      const response = me.passkey.assert({ rpId: 'localhost', challenge: foreignText(junk) })
      t.match(await answer(junk, response), INVALID, `${junk.slice(0, 5)}…`)
    }
  })

  t.test(`at ${name} a challenge is dead after ten minutes`, async (t) => {
    const [first, second] = [await ask(), await ask()]
    home.clock.advance(599_999)
    await goOn()
    t.equal((await answer(first['challenge'], me.passkey.assert(first['public_key']))).status, 200)
    home.clock.advance(1)
    t.match(await answer(second['challenge'], me.passkey.assert(second['public_key'])), INVALID)
  })
}

t.test('a passkey that says no user is let in only where the password has said it', async (t) => {
  const owner = await withPasskey(home)
  t.match(await passkeyLogin(home, owner.passkey, { userHandle: null }), refused)
  t.equal((await passkeyLogin(home, owner.passkey)).status, 200)
})

t.test('the challenge of one user or of one session is no use to another', async (t) => {
  const asked = await firstStep(home, me)
  const stranger = await withPasskey(home)
  const passkey = stranger.passkey.assert(asked['public_key'])
  t.match(await secondStep(home, asked['challenge'], { passkey }), refused)
  const own = await withPasskey(home)
  const sibling = (await passkeyLogin(home, own.passkey)).body
  const { challenge, public_key } = await askForPasskey(home, sibling.access_token)
  const stepUp = (at: string, { assert }: SoftPasskey) =>
    call('POST', '/v1/step-up', { token: at, body: { challenge, passkey: assert(public_key) } })
  t.match(await stepUp(own.access_token, own.passkey), INVALID, 'another session of the same user')
  t.match(await stepUp(stranger.access_token, stranger.passkey), INVALID)
  t.equal((await stepUp(sibling.access_token, own.passkey)).status, 200)
})

t.test('a passkey that was removed proves nothing at any door', async (t) => {
  const owner = await withPasskey(home)
  const spare = makePasskey(await creationOptions(home, owner.access_token))
  await call('POST', '/v1/factors/passkeys', { token: owner.access_token, body: { response: spare.response } })
  const asked = await firstStep(home, owner)
  const step = await askForPasskey(home, owner.access_token)
  const removal = await call('DELETE', `/v1/factors/passkeys/${owner.passkeyId}`, { token: owner.access_token })
  t.equal(removal.status, 204)
  t.match(await passkeyLogin(home, owner.passkey), refused)
  t.match(await secondStep(home, asked['challenge'], { passkey: owner.passkey.assert(asked['public_key']) }), refused)
  const body = { challenge: step['challenge'], passkey: owner.passkey.assert(step['public_key']) }
  t.match(await call('POST', '/v1/step-up', { token: owner.access_token, body }), { status: 403 })
  t.equal((await passkeyLogin(home, spare.passkey)).status, 200)
})

t.test('a user that an assertion names is an id, or nobody: the store is not asked for anything else', async (t) => {
  const handles = ['}', '{x}:user', 'x'.repeat(65), 'x'.repeat(9000), '\0', `${me.user.id}\n`, 'ÿ', '__proto__', '../x']
  for (const handle of handles)
    t.match(await passkeyLogin(home, me.passkey, { userHandle: foreignText(handle) }), refused, JSON.stringify(handle))
  t.match(await passkeyLogin(home, me.passkey, { userHandle: '_w' }), refused, 'no UTF-8')
})

t.test('apps for Android are let in by the hash of their key, and only those that are listed', async (t) => {
  const hash = `android:apk-key-hash:${'kLm3'.repeat(10)}abc`
  const listed = await openHome({ PASSKEY_ORIGINS: `http://localhost:3000,${hash}`, PASSKEY_RP_ID: 'localhost' })
  t.teardown(listed.close)
  const owner = await withPasskey(listed, { origin: hash })
  t.equal((await passkeyLogin(listed, owner.passkey, { origin: hash })).status, 200)
  t.equal((await passkeyLogin(listed, owner.passkey)).status, 200)
  t.match(await passkeyLogin(listed, owner.passkey, { origin: `${hash.slice(0, -1)}d` }), refused)
  t.match(await passkeyLogin(home, me.passkey, { origin: hash }), refused, 'where it is not listed')
})

t.test('a relying party of one’s own is asked for, and demanded', async (t) => {
  const settings = {
    ISSUER: 'https://auth.example.org',
    PASSKEY_RP_ID: 'example.org',
    PASSKEY_ORIGINS: 'https://app.example.org',
  }
  const apart = await openHome(settings)
  t.teardown(apart.close)
  const origin = 'https://app.example.org'
  const owner = await withPasskey(apart, { origin })
  t.equal((await askForPasskey(apart))['public_key'].rpId, 'example.org')
  t.equal((await passkeyLogin(apart, owner.passkey, { origin })).status, 200)
  t.match(await passkeyLogin(apart, owner.passkey, { origin, rpId: 'auth.example.org' }), refused)
  t.match(await passkeyLogin(apart, owner.passkey, { origin: 'https://auth.example.org' }), refused)
})

/** The token of a fresh proof. */
async function strong(): Promise<string> {
  const { challenge, public_key } = await askForPasskey(home, session.access_token)
  const body = { challenge, passkey: me.passkey.assert(public_key) }
  return (await call('POST', '/v1/step-up', { token: session.access_token, body })).body.access_token
}

/** An access token lives five minutes. */
async function goOn(): Promise<void> {
  session = (await call('POST', '/v1/refresh', { body: { refresh_token: session.refresh_token } })).body
}
