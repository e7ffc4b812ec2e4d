import t from 'tap'
import { keys } from '../../src/store/keys.ts'
import { askForPasskey, firstStep, secondStep, withPasskey, withApp } from '../support/factors.ts'
import { openHome } from '../support/home.ts'
import { keysOf, makeWatched } from '../support/watched-store.ts'

// Bodies that no client sends. They are refused before the store is asked for anybody, and cost nobody anything.

const BAD = { status: 400, body: { code: 'bad_request' } }
const LONG = 'A'.repeat(31 * 1024)
const DEEP = `${'['.repeat(15_000)}${']'.repeat(15_000)}`
/** What is shown in place of a code. */
const NO_CODES = [null, true, 1, 123_456, [], ['123456'], {}, { $gt: '' }, LONG, 'x'.repeat(65)]

const watched = makeWatched()
const home = await openHome({}, { store: watched.around })
t.teardown(home.close)

const me = await withPasskey(home, { me: await withApp(home) })
const owner = me as typeof me & Awaited<ReturnType<typeof withApp>>
const token = me.access_token
const { challenge, public_key } = await firstStep(home, me)
const proof = me.passkey.assert(public_key)
const code = owner.app.code()

/** Sends each body; all must be answered so, and the user's record must not be read for it. */
function refuses(
  path: string,
  bodies: readonly unknown[],
  answer: object = BAD,
  options: { readonly token?: string } = {},
): void {
  void t.test(`POST ${path} answers ${JSON.stringify(answer)}`, async (t) => {
    const read = new Set<string>()
    watched.watch = (command, run) => {
      for (const key of keysOf(command)) read.add(key)
      return run()
    }
    for (const body of bodies) t.match(await home.call('POST', path, { body, ...options }), answer, named(body))
    watched.watch = null
    if (options.token === undefined) t.notOk(read.has(keys.user(me.user.id)))
  })
}

const named = (body: unknown) => (typeof body === 'string' ? body : JSON.stringify(body)).slice(0, 60)
const noBodies = ['null', '[]', '"text"', '7', '{', '{}', '{"challenge":', DEEP, `{"challenge":${DEEP}}`]
const assertionsOfNone = [
  null,
  'text',
  [],
  {},
  { ...proof, response: null },
  { ...proof, id: 'A'.repeat(2000) },
  { ...proof, response: { ...proof['response'], signature: ['A'] } },
  { ...proof, response: { ...proof['response'], clientDataJSON: '!' } },
]

refuses('/v1/login/second-factor', [
  ...noBodies,
  { challenge },
  { totp: code },
  { challenge, totp: code, recovery_code: me.recovery_codes[0] },
  { challenge, totp: code, passkey: proof },
  { challenge, totp: code, transport: 'body' },
  { challenge, totp: code, password: me.password },
  `{"challenge":${JSON.stringify(challenge)},"totp":"${code}","__proto__":{"recovery_code":"x"}}`,
  `{"challenge":${JSON.stringify(challenge)},"totp":"${code}","constructor":{"prototype":{}}}`,
  ...NO_CODES.flatMap((each) => [
    { challenge, totp: each },
    { challenge, recovery_code: each },
  ]),
  ...assertionsOfNone.map((passkey) => ({ challenge, passkey })),
  ...[null, 7, [challenge], { challenge }, LONG].map((each) => ({ challenge: each, totp: code })),
])

const [begun, stepUp] = [await askForPasskey(home), await askForPasskey(home, token)]
refuses(
  '/v1/login/second-factor',
  ['', ' ', '.', '..', '\0', '\u{1f600}', 'x'.repeat(4096), `${challenge}A`, ` ${challenge}`, challenge.slice(1), token]
    .concat([me.refresh_token, begun['challenge'], stepUp['challenge']])
    .map((each) => ({ challenge: each, totp: code })),
  { status: 400, body: { code: 'code_invalid' } },
)
refuses('/v1/login/second-factor', [{ challenge, totp: LONG + LONG }], {
  status: 413,
  body: { code: 'too_large' },
})

refuses('/v1/login/passkey', [
  ...noBodies,
  ...assertionsOfNone.map((response) => ({ challenge: begun['challenge'], response })),
  { challenge: begun['challenge'], response: proof, totp: code },
  { challenge: begun['challenge'], response: proof, transport: 'both' },
])

const behind = { token }
refuses(
  '/v1/step-up',
  [
    ...noBodies,
    ...NO_CODES.flatMap((each) => [{ totp: each }, { recovery_code: each }]),
    { password: me.password, totp: code },
    { totp: code, recovery_code: me.recovery_codes[0] },
    { totp: code, challenge: stepUp['challenge'] },
    { passkey: proof },
    ...assertionsOfNone.map((passkey) => ({ challenge: stepUp['challenge'], passkey })),
  ],
  BAD,
  behind,
)
refuses('/v1/factors/totp/confirm', [...noBodies, ...NO_CODES.map((each) => ({ code: each }))], BAD, behind)
const noRequests = [null, 7, [], {}, '', LONG].map((each) => ({ request_id: each }))
refuses('/v1/factors/recovery-codes', [...noBodies, ...noRequests], BAD, behind)

t.test('nothing is spent or counted by all that, and the owner gets in', async (t) => {
  t.strictSame(home.events('factor.refused'), [])
  t.match((await home.call('GET', '/v1/factors', { token })).body, { totp: true, recovery_codes_left: 10 })
  t.equal((await secondStep(home, challenge, { totp: code })).status, 200)
})
