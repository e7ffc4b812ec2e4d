import t from 'tap'
import { readBasicCredentials } from '../../src/domain/basic-credentials.ts'
import { newClientId } from '../../src/domain/client.ts'
import { readForm } from '../../src/domain/form.ts'
import { isMeantFor, makeMachineClaims, readMachineClaims } from '../../src/domain/machine-token.ts'
import { isUserId } from '../../src/domain/user.ts'

const id = newClientId()
const life = { now: 1_800_000_000_500, ttlMs: 300_000, spread: 0, jti: 'jti' }
const claims = makeMachineClaims('iss', { id, generation: 7 }, { scopes: ['a', 'b'], audiences: ['x', 'y'] }, life)

t.test('the claims are these and no others', async (t) => {
  const times = { iat: 1_800_000_000, exp: 1_800_000_300, jti: 'jti' }
  t.strictSame(claims, { iss: 'iss', aud: ['x', 'y'], sub: id, client_id: id, ...times, gen: 7, scope: 'a b' })
  const bare = makeMachineClaims('iss', { id, generation: 0 }, { scopes: [], audiences: ['x'] }, life)
  t.strictSame(bare, { iss: 'iss', aud: 'x', sub: id, client_id: id, ...times, gen: 0 })
  for (const made of [claims, bare]) t.equal(readMachineClaims(made), made)
})

t.test('what could be of a person, or is not whole, is no token of a client', async (t) => {
  const wrong: object[] = [
    { sid: 'session' },
    { sid: undefined },
    { nbf: 1 },
    { sub: newClientId() },
    { client_id: 'first-party' },
    { sub: 'ada', client_id: 'ada' },
    { aud: undefined },
    { aud: ['x', 1] },
    { aud: { x: 1 } },
    { scope: ['a'] },
    { gen: '7' },
    { gen: undefined },
    { exp: 1.5 },
    { jti: undefined },
    { iss: null },
  ]
  for (const members of wrong) t.equal(readMachineClaims({ ...claims, ...members }), null, JSON.stringify(members))
  for (const payload of [null, undefined, 'x', 1, []]) t.equal(readMachineClaims(payload), null)
  t.notOk(isUserId(id), 'no user can have the id of a client')
})

t.test('a token is for an audience by its whole text, RFC 7519 section 4.1.3', async (t) => {
  t.ok(isMeantFor('https://a.example', 'https://a.example'))
  t.ok(isMeantFor(['x', 'y'], 'y'))
  for (const aud of ['https://a.example.org', 'https://A.example', '', [], ['https://a.example.org']])
    t.notOk(isMeantFor(aud, 'https://a.example'), String(aud))
})

t.test('a form has each parameter once, but for those that may be repeated', async (t) => {
  t.strictSame(readForm('a=1&b=&r=x&r=y&r=', ['r']), { a: '1', r: ['x', 'y'] })
  t.strictSame(readForm('', ['r']), { r: [] })
  t.strictSame({ ...readForm('a=%C3%A9+%26&__proto__=x', []) }, { a: 'é &', ['__proto__']: 'x' })
  for (const text of ['a=1&a=1', 'a=&a=1', 'a&a', 'a=1&%61=2']) t.equal(readForm(text, ['r']), null, text)
})

t.test('Basic credentials are two parts of a form, RFC 6749 section 2.3.1', async (t) => {
  const of = (text: string) => readBasicCredentials(`Basic ${Buffer.from(text).toString('base64')}`)
  t.strictSame(of('a:b'), { id: 'a', secret: 'b' })
  t.strictSame(of('a%3Ab:c%3Ad:e'), { id: 'a:b', secret: 'c:d:e' })
  t.strictSame(of('a+b:%2B%C3%A9'), { id: 'a b', secret: '+é' })
  for (const text of ['a', ':b', 'a:', ':', '', '%zz:b', 'a:%c3']) t.equal(of(text), null, text)
  for (const header of ['', 'Basic', 'Basic  ', 'Bearer YTpi', 'Basic YTpi YTpi', 'Basic YTpi,', 'XBasic YTpi'])
    t.equal(readBasicCredentials(header), null, header)
})
