import { randomBytes } from 'node:crypto'
import t from 'tap'
import { type AuthKeys, deriveAuthKey } from '../../src/domain/auth-secret.ts'
import { CHALLENGE_MS, openChallenge, sealChallenge } from '../../src/domain/challenge.ts'
import { makeCodes, sameCodes, spendCode, wasRequested } from '../../src/domain/recovery-codes.ts'
import { sealFor, unsealFor } from '../../src/domain/sealed-for.ts'

const [first, second] = [deriveAuthKey(randomBytes(32)), deriveAuthKey(randomBytes(32))]
const KEYS: AuthKeys = [first]
const NOW = 1_700_000_000_000
const at = (now: number) => ({ now, histories: [] })

t.test('recovery codes: ten, of 50 bits, in letters that people can read to each other', async (t) => {
  const origin = { userId: 'ada', hmacKey: randomBytes(32), seed: 'request' }
  const { codes, left, requests } = makeCodes(KEYS, origin, ['before'])
  t.equal(new Set(codes).size, 10)
  for (const code of codes) t.match(code, /^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$/)
  t.notOk(JSON.stringify([left, requests]).includes(codes[0] as string), 'the record has none of them')
  const set = { sealed: '', left, requests }
  t.ok(wasRequested(set, 'request'))
  t.notOk(wasRequested(set, 'another'))

  const heard = (code: string) => code.toLowerCase().replace('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l')
  const printed = (code: string) => ` ${code.replaceAll('0', 'O').replaceAll('1', 'I').replace('-', ' – ')}\n`
  for (const code of codes)
    for (const shown of [code, heard(code), printed(code), code.replace('-', ''), Array.from(code).join('-')])
      t.equal(spendCode(origin.hmacKey, left, shown)?.length, 9, 'as somebody may write it down')
  for (const junk of ['', '-', 'x'.repeat(64), codes[0]?.slice(1) ?? ''])
    t.equal(spendCode(origin.hmacKey, left, junk), null)
  t.equal(spendCode(randomBytes(32), left, codes[0] as string), null, 'under the key of somebody else')

  t.strictSame(sameCodes(KEYS, origin, set), codes, 'the same request gives the same codes')
  t.strictSame(sameCodes([second, first], origin, set), codes, 'also after AUTH_SECRET has rotated')
  t.equal(sameCodes([second], origin, set), null, 'but not once the old secret is gone')
  t.equal(sameCodes(KEYS, { ...origin, userId: 'eve' }, set), null)
  t.equal(sameCodes(KEYS, origin, { ...set, left: left.slice(1) }), null, 'not once one is used')
})

t.test('a challenge lives ten minutes, for one purpose, and as it was made', async (t) => {
  const sealed = { userId: 'ada', generation: 3, transport: 'cookie', remember: true } as const
  const text = sealChallenge(KEYS, 'login', sealed, NOW)
  t.match(openChallenge(KEYS, 'login', text, at(NOW + CHALLENGE_MS - 1)), { ...sealed, at: NOW, id: String })
  t.equal(openChallenge(KEYS, 'login', text, at(NOW + CHALLENGE_MS)), null)
  t.equal(openChallenge(KEYS, 'login', text, at(NOW - CHALLENGE_MS)), null, 'nor is one from far ahead')
  t.match(openChallenge([second, first], 'login', text, at(NOW)), sealed, 'also after AUTH_SECRET has rotated')
  t.equal(openChallenge([second], 'login', text, at(NOW)), null)
  for (const purpose of ['passkey login', 'step-up', 'registration'] as const)
    t.equal(openChallenge(KEYS, purpose, text, at(NOW)), null, purpose)
  t.notOk(text.includes('ada'), 'it names nobody')
  const changed = Array.from(text, (letter, place) => {
    const other = letter === 'A' ? 'B' : 'A'
    return [text.slice(0, place) + other + text.slice(place + 1), text.slice(0, place) + text.slice(place + 1)]
  }).flat()
  for (const each of [...changed, `${text}A`, `${text}.`, `${text}.A`, `${text}=`, ` ${text}`, `${text} `])
    if (openChallenge(KEYS, 'login', each, at(NOW)) !== null) t.fail(each)
  for (const junk of ['', '.', '....', 'x'.repeat(4096)]) t.equal(openChallenge(KEYS, 'login', junk, at(NOW)), null)
})

t.test('what is sealed for a user opens for nobody else, and as nothing else', async (t) => {
  const secret = randomBytes(20)
  const sealed = sealFor(KEYS, 'ada', 'totp', secret)
  t.strictSame(unsealFor(KEYS, 'ada', 'totp', sealed), secret)
  t.equal(unsealFor(KEYS, 'eve', 'totp', sealed), null)
  t.equal(unsealFor(KEYS, 'ada', 'recovery codes', sealed), null)
  t.equal(unsealFor([second], 'ada', 'totp', sealed), null)
})
