import t from 'tap'
import { base32, codeAt, stepOf, totpUri } from '../../src/domain/totp.ts'

const SECRET = Buffer.from('12345678901234567890')

t.test('codes are those of RFC 4226, appendix D', async (t) => {
  const published = '755224 287082 359152 969429 338314 254676 287922 162583 399871 520489'.split(' ')
  t.strictSame(
    published.map((_, counter) => codeAt(SECRET, counter)),
    published,
  )
})

t.test('codes are those of RFC 6238, appendix B, in six digits', async (t) => {
  const published: [seconds: number, code: string][] = [
    [59, '94287082'],
    [1_111_111_109, '07081804'],
    [1_111_111_111, '14050471'],
    [1_234_567_890, '89005924'],
    [2_000_000_000, '69279037'],
    [20_000_000_000, '65353130'],
  ]
  for (const [seconds, code] of published)
    t.equal(codeAt(SECRET, Math.floor(seconds / 30)), code.slice(2), `${seconds} s`)
})

t.test('a code is taken in its own step, the one before and the one after, and only above the last step', async (t) => {
  const [step, now] = [40_000_000, 40_000_000 * 30_000]
  const read = (at: number, lastStep = 0) => stepOf(SECRET, codeAt(SECRET, step), at, lastStep)
  t.equal(read(now - 30_000), step, 'a clock of the service that is 30 s behind')
  t.equal(read(now - 30_001), null)
  t.equal(read(now + 59_999), step)
  t.equal(read(now + 60_000), null)
  t.equal(read(now, step - 1), step)
  t.equal(read(now, step), null, 'spent')
  t.equal(read(now, step + 5), null, 'the clock was set back: the last step stays')
  t.equal(read(0), null, 'no step is before the first')
  for (const junk of ['', '1', 'abcdef', `${codeAt(SECRET, step)}0`, '１２３４５６', '9'.repeat(1000)])
    t.equal(stepOf(SECRET, junk, now, 0), null, junk.slice(0, 8))
})

t.test('an app is told the secret in base32, RFC 4648, and names that may have any letter', async (t) => {
  const vectors = { f: 'MY', fo: 'MZXQ', foo: 'MZXW6', foob: 'MZXW6YQ', fooba: 'MZXW6YTB', foobar: 'MZXW6YTBOI' }
  for (const [text, told] of Object.entries(vectors)) t.equal(base32(Buffer.from(text)), told, text)
  const uri = new URL(totpUri(SECRET, { service: '한글: a&b', account: 'ada+x@example.org' }))
  t.equal(uri.protocol, 'otpauth:')
  t.equal(decodeURIComponent(uri.pathname), '/한글: a&b:ada+x@example.org')
  t.strictSame(Object.fromEntries(uri.searchParams), {
    secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
    issuer: '한글: a&b',
    algorithm: 'SHA1',
    digits: '6',
    period: '30',
  })
})
