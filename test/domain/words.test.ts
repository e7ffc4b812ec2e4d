import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import t from 'tap'
import { readConfig } from '../../src/config/environment.ts'
import { VARIABLES } from '../../src/config/variables.ts'
import { isFromAllowedSite } from '../../src/domain/cross-site.ts'
import { readEmail } from '../../src/domain/email.ts'
import { findJsonFault } from '../../src/domain/json-text.ts'
import type { Json } from '../../src/domain/merge-patch.ts'
import { mergePatch } from '../../src/domain/merge-patch.ts'
import { findBrokenRules, normalisePassword } from '../../src/domain/password.ts'
import { processorTime } from '../support/processor-time.ts'

t.test('an e-mail address is one account in all its spellings, and is kept as people write it', async (t) => {
  const table: Record<string, string[]> = {
    'ada@example.org': [
      'ada@example.org',
      'Ada@EXAMPLE.Org',
      ' ada@example.org ',
      '\tada@example.org\n',
      '\u{feff}ada@example.org',
      'ada@ｅｘａｍｐｌｅ.org',
    ],
    'zoé@example.org': ['zoé@example.org', 'zoe\u0301@example.org', 'ZOÉ@example.org', 'ZOE\u0301@example.org'],
    'a@xn--mnchen-3ya.de': [
      'a@münchen.de',
      'A@MÜNCHEN.DE',
      'a@mu\u0308nchen.de',
      'a@xn--mnchen-3ya.de',
      'a@XN--MNCHEN-3YA.de',
    ],
    'a@xn--e1afmkfd.xn--p1ai': ['a@пример.рф', 'a@ПРИМЕР.РФ', 'a@xn--e1afmkfd.xn--p1ai', 'a@пример.xn--p1ai'],
    'a@xn--fa-hia.de': ['a@faß.de', 'a@FAẞ.de'],
    'a@fass.de': ['a@fass.de'],
    'i\u0307@example.org': ['İ@example.org', 'i\u0307@example.org', 'I\u0307@example.org'],
    'ị\u0307@example.org': ['İ\u0323@example.org', 'I\u0323\u0307@example.org', 'ị\u0307@example.org'],
    'i@example.org': ['i@example.org', 'I@example.org'],
    'ı@example.org': ['ı@example.org'],
    'ａ@example.org': ['ａ@example.org', 'Ａ@example.org'],
    'a.d-a+tag_1@ex-am--ple.co.uk': ['a.d-a+tag_1@ex-am--ple.co.uk'],
    "!#$%&'*/=?^`{|}~@example.org": ["!#$%&'*/=?^`{|}~@example.org"],
    'a@1.2.3.b4': ['a@1.2.3.b4'],
    'a@1.2.3.4b': ['a@1.2.3.4b'],
  }
  for (const [key, spellings] of Object.entries(table)) {
    for (const spelling of spellings) t.equal(readEmail(spelling)?.key, key, JSON.stringify(spelling))
  }
  t.equal(readEmail(' A@MÜNCHEN.de')?.address, 'a@münchen.de', 'shown as it was written, not in punycode')
})

t.test('what is no e-mail address is refused', async (t) => {
  const locals = [
    '',
    '.a',
    'a.',
    'a..b',
    'a b',
    'a\u00a0b',
    '"a"',
    'a,b',
    'a@b',
    'a;b',
    'a<b',
    'a\\b',
    'a\0',
    'a\u007f',
    'a\rb',
    'a\u200bb',
    'a\u200d',
    'a\u00adb',
    '\u202ea',
    'a\ud800',
    '(a)',
  ]
  const domains = [
    '',
    'org',
    'example.',
    '.org',
    'example..org',
    '-example.org',
    'example-.org',
    'example.-org',
    'example.org-',
    'exam_ple.org',
    'exam ple.org',
    'exam\u200bple.org',
    'exam\u00adple.org',
    'a\u200d.org',
    'example。org',
    'example．org',
    'xn--a.de',
    'xn--.de',
    '127.0.0.1',
    '[127.0.0.1]',
    '[::1]',
    '0x7f.1',
    'example.1',
    'example.0x1',
    'exa%6dple.org',
    'example.org:25',
    'example.org/',
    'example.org?',
    'ex@mple.org',
    '💩.la',
    '\u0301a.de',
    '😀',
    'a\ud800.de',
  ]
  const whole = [
    '',
    '@',
    'ada',
    'ada.example.org',
    'mailto:ada@example.org',
    'Ada <ada@example.org>',
    'ada@example.org,bob@example.org',
    'ada@example.org\nbcc: bob@example.org',
  ]
  const bad = [...locals.map((local) => `${local}@example.org`), ...domains.map((domain) => `ada@${domain}`), ...whole]
  for (const each of bad) t.equal(readEmail(each), null, JSON.stringify(each))
})

t.test(
  'an e-mail address has at most 254 characters, 64 before the @, 63 in a label, in Unicode and in ASCII',
  async (t) => {
    const domain = `${`${'d'.repeat(61)}.`.repeat(3)}org`
    const local = 'l'.repeat(64)
    t.equal(readEmail(`${local}@${domain}`)?.key.length, 254)
    for (const long of [`${local}@d${domain}`, `${local}l@example.org`, `a@${'d'.repeat(64)}.org`])
      t.equal(readEmail(long), null)
    t.ok(readEmail(`a@${'d'.repeat(63)}.org`))
    const scattered = Array.from({ length: 40 }, (_, place) => String.fromCodePoint(0x4e_00 + place * 97)).join('')
    t.ok(readEmail(`a@${scattered.slice(0, 10)}.org`))
    t.equal(readEmail(`a@${scattered}.org`), null, 'a short label that is long in punycode')
    t.equal(readEmail(`a@e\ufe0fxample.org`)?.key, 'a@example.org', 'what a domain ignores')
    t.equal(readEmail(`a@e${'\ufe0f'.repeat(254)}xample.org`), null, 'a long domain that is short in ASCII')
    t.equal(
      readEmail(`${local}@${`${scattered.slice(0, 15)}.`.repeat(5)}org`),
      null,
      'a short domain that is long in punycode',
    )
  },
)

t.test('to read an address twice changes nothing, and nothing makes it throw', async () => {
  const some = fc.string({ unit: 'binary', maxLength: 10 })
  const label = fc.oneof(
    fc.domain(),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }).map((text) => `${text}.org`),
    some,
  )
  fc.assert(
    fc.property(some, label, (local, domain) => {
      const email = readEmail(`${local}@${domain}`)
      if (email === null) return
      const [again, byKey] = [readEmail(email.address), readEmail(email.key)]
      if (again?.address !== email.address || again.key !== email.key || byKey?.key !== email.key)
        throw new Error(JSON.stringify([email, again, byKey]))
    }),
    { numRuns: 1000 },
  )
})

t.test('an endless address or password is refused in no time', async (t) => {
  const marks = '\u0301\u0316'.repeat(8000) // to normalise them takes quadratic time
  t.match(findBrokenRules(marks, 'ada@example.org', 15), [{ rule: 'too_long' }])
  for (const address of [`a@${marks}.org`, `a${marks}@example.org`]) {
    const ms = await processorTime(async () => t.equal(readEmail(address), null))
    t.ok(ms < 100, `${ms} ms`)
  }
  const ms = await processorTime(async () => findBrokenRules(marks, 'ada@example.org', 15))
  t.ok(ms < 100, `${ms} ms`)
})

const email = 'ada.lovelace.1815@example.org'
const rules = (password: string, minLength = 15) => findBrokenRules(password, email, minLength).map(({ rule }) => rule)

t.test('a password is long enough by its code points, whatever they are', async (t) => {
  const table: [password: string, rules: string[]][] = [
    ['x1y2z3a4b5c6d7', ['too_short']],
    ['x1y2z3a4b5c6d7e', []],
    ['😀'.repeat(14), ['too_short']],
    ['😀'.repeat(15), []],
    ['👨‍👩‍👧'.repeat(3), []],
    ['e\u0301'.repeat(14), ['too_short']],
    ['e\u0301'.repeat(15), []],
    ['x\u030d'.repeat(7), ['too_short']],
    ['x\u030d'.repeat(8), []],
    [' '.repeat(15), []],
    ['\0'.repeat(15), []],
    ['', ['too_short']],
    ['7'.repeat(200) + 'x'.repeat(56), []],
    ['7'.repeat(200) + 'x'.repeat(57), ['too_long']],
    ['😀'.repeat(256), []],
    ['😀'.repeat(257), ['too_long']],
    ['e\u0301'.repeat(256), []],
    ['e\u0301'.repeat(257), ['too_long']],
  ]
  for (const [password, broken] of table)
    t.same(rules(password), broken, `${JSON.stringify(password.slice(0, 9))}, ${password.length} units`)
  t.same([rules('x1y2z3a', 8), rules('x1y2z3a4', 8)], [['too_short'], []], 'the least length is a setting')
})

t.test('the commonest passwords that are long enough are refused in any letter case, as whole passwords', async (t) => {
  const common = readFileSync(new URL('../../../test/fixtures/common-passwords-15.txt', import.meta.url), 'utf8')
    .trim()
    .split('\n')
  t.equal(common.length, 3000)
  const spellings = common.flatMap((line) => [line, line.toUpperCase(), (line[0] ?? '').toUpperCase() + line.slice(1)])
  t.same(
    spellings.filter((spelling) => !rules(spelling).includes('too_common')),
    [],
  )
  t.same(rules('password', 8), ['too_common'])
  t.same(rules('password'), ['too_short', 'too_common'], 'every broken rule is named')
  for (const whole of ['passwordpassword', '123456789012345']) {
    t.same(rules(whole), ['too_common'])
    t.same(rules(`${whole} and Seven Bicycles`), [])
  }
  const [one = '', next = ''] = common.toSorted()
  for (const between of ['\n', ' ', 'A', 'a\na']) t.same(rules(`${one}${between}${next}`), [], 'two are not one')
})

t.test('a password is not the address, its local part or the name of the service', async (t) => {
  for (const similar of [email, email.toUpperCase(), 'ada.lovelace.1815', 'ADA.Lovelace.1815'])
    t.same(rules(similar), ['too_similar'], similar)
  for (const similar of ['latchkey', 'LatchKey']) t.same(rules(similar, 8), ['too_similar'], similar)
  for (const other of [`my ${email}`, 'ada.lovelace.1816', 'latchkey latchkey', 'example.org is mine'])
    t.same(rules(other), [], other)
  const messages = findBrokenRules('latchkey', 'latchkey@example.org', 15).map(({ message }) => message)
  t.equal(messages.length, 2)
  t.notOk(
    messages.some((message) => message.includes('latchkey')),
    'no message repeats the password',
  )
})

t.test('one password typed on two keyboards is one password, and no more is changed', async (t) => {
  t.equal(normalisePassword('Zoe\u0308 Ångström'), normalisePassword('Zoë A\u030angstro\u0308m'))
  for (const kept of [' Leading and trailing ', 'UPPER lower', 'ﬁ ２ ①', 'tab\tnewline\n', '\u200b'])
    t.equal(normalisePassword(kept), kept)
})

t.test('a merge patch does what RFC 7396 appendix A says', async (t) => {
  const vectors = `
    {"a":"b"}           {"a":"c"}                    {"a":"c"}
    {"a":"b"}           {"b":"c"}                    {"a":"b","b":"c"}
    {"a":"b"}           {"a":null}                   {}
    {"a":"b","b":"c"}   {"a":null}                   {"b":"c"}
    {"a":["b"]}         {"a":"c"}                    {"a":"c"}
    {"a":"c"}           {"a":["b"]}                  {"a":["b"]}
    {"a":{"b":"c"}}     {"a":{"b":"d","c":null}}     {"a":{"b":"d"}}
    {"a":[{"b":"c"}]}   {"a":[1]}                    {"a":[1]}
    ["a","b"]           ["c","d"]                    ["c","d"]
    {"a":"b"}           ["c"]                        ["c"]
    {"a":"foo"}         null                         null
    {"a":"foo"}         "bar"                        "bar"
    {"e":null}          {"a":1}                      {"e":null,"a":1}
    [1,2]               {"a":"b","c":null}           {"a":"b"}
    {}                  {"a":{"bb":{"ccc":null}}}    {"a":{"bb":{}}}`
  const lines = vectors.trim().split('\n')
  t.equal(lines.length, 15)
  for (const line of lines) {
    const [target, patch, result] = line.trim().split(/ {2,}/) as [string, string, string]
    t.equal(JSON.stringify(mergePatch(JSON.parse(target) as Json, JSON.parse(patch) as Json)), result, line.trim())
  }
})

t.test(
  'a merge patch pollutes no prototype, changes neither argument, and applied twice is applied once',
  async (t) => {
    for (const text of [
      '{"__proto__":{"admin":true}}',
      '{"a":{"__proto__":{"admin":true}}}',
      '{"constructor":{"prototype":{"admin":true}}}',
    ]) {
      const merged = mergePatch({ a: {} }, JSON.parse(text) as Json) as { admin?: unknown; a: { admin?: unknown } }
      t.same([merged.admin, merged.a.admin, ({} as { admin?: unknown }).admin], [undefined, undefined, undefined], text)
      t.match(JSON.stringify(merged), text.slice(1, -1), 'a member like any other')
      t.same(Object.getPrototypeOf(merged), Object.prototype)
    }
    t.same(mergePatch(JSON.parse('{"__proto__":1,"b":2}') as Json, JSON.parse('{"__proto__":null}') as Json), { b: 2 })
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.jsonValue({ maxDepth: 4 }), (target, patch) => {
        const before = JSON.stringify([target, patch])
        const merged = mergePatch(target as Json, patch as Json)
        t.equal(JSON.stringify([target, patch]), before)
        t.equal(JSON.stringify(mergePatch(merged, patch as Json)), JSON.stringify(merged))
      }),
    )
  },
)

const isPlainJson = (text: string) => findJsonFault(text) === null

t.test('JSON that names a member twice, in whatever spelling, is refused', async (t) => {
  const plain = [
    '{}',
    '[]',
    '1',
    '""',
    'null',
    '{"a":{"a":1},"b":{"a":1}}',
    '[{"a":1},{"a":2}]',
    '{"a":"b","b":"a"}',
    '{"a":["a","a"]}',
    '{"a":1,"A":2}',
    '{"é":1,"e\u0301":2}',
    '{"a":"{\\"a\\":1,","b":"}]"}',
    '{"a\\"":1,"a":2}',
    '{"\\\\":1,"\\"":2}',
    '"{\\"a\\":1,\\"a\\":2}"',
    '{"a":":","b":","}',
    '{"\u2028":"\u2028","b":1}',
    '[\n{ "a"\t: 1 }\r]',
    '{"":{"":{}}}',
  ]
  const double = [
    '{"a":1,"a":2}',
    '{"a":1,"a":1}',
    '{"a":1,"b":2,"a":3}',
    '{"a":1,"\\u0061":2}',
    '{"\\u0061":1,"a":2}',
    '{"é":1,"\\u00E9":2}',
    '{"/":1,"\\/":2}',
    '{"\\n":1,"\\u000a":2}',
    '{"😀":1,"\\ud83d\\ude00":2}',
    '{"":1,"":2}',
    '{"a":{"b":1},"a":1}',
    '{"a":[],"a":{}}',
    '{"a" : 1 ,\n"a"\t: 2}',
    '{"__proto__":1,"__proto__":2}',
    '[[{"x":{"a":1,"a":1}}]]',
    '{"x":{"y":1},"z":{"a":{},"a":{}}}',
    '{"}":1,"}":2}',
    '{"\\"":1,"\\u0022":2}',
  ]
  t.doesNotThrow(() => [...plain, ...double].map((text) => JSON.parse(text) as Json), 'all of them are JSON')
  t.same(
    plain.filter((text) => !isPlainJson(text)),
    [],
  )
  t.same(double.filter(isPlainJson), [])
})

t.test('JSON may be nested 64 deep, brackets in strings do not count', async (t) => {
  const nested = (depth: number, open: string, close: string) => open.repeat(depth) + 1 + close.repeat(depth)
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
    ['[{"a":', '}]'],
  ] as const) {
    const each = open.startsWith('[{') ? 2 : 1
    t.equal(isPlainJson(nested(64 / each, open, close)), true, `${open} 64 deep`)
    t.equal(isPlainJson(`[${nested(64 / each, open, close)}]`), false, `${open} 65 deep`)
  }
  t.equal(isPlainJson(`[${'[[]],'.repeat(1000)}[]]`), true, 'many beside one another are not deep')
  t.equal(isPlainJson(JSON.stringify({ [`${'['.repeat(99)}"{`]: `\\"${'{'.repeat(99)}` })), true)
  t.equal(isPlainJson(JSON.stringify('\\"'.repeat(8000))), true)
})

t.test('whatever JSON.stringify makes is plain, until one of its members is said again', async () => {
  const escaped = (name: string) =>
    `"${Array.from({ length: name.length }, (_, at) => `\\u${name.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"`
  const any = fc.jsonValue({ maxDepth: 8, stringUnit: 'binary' })
  const members = fc.dictionary(fc.string({ unit: 'binary' }), any, { minKeys: 1, maxKeys: 5 })
  fc.assert(
    fc.property(members, fc.nat(), fc.boolean(), any, (object, pick, isEscaped, value) => {
      const text = JSON.stringify(object)
      const name = Object.keys(object)[pick % Object.keys(object).length] as string
      const again = `${text.slice(0, -1)},${isEscaped ? escaped(name) : JSON.stringify(name)}:${JSON.stringify(value)}}`
      return isPlainJson(text) && isPlainJson(JSON.stringify([value])) && !isPlainJson(again)
    }),
    { numRuns: 300 },
  )
})

t.test('a request that uses the cookie comes from our own origin or an allowed one, or it is refused', async (t) => {
  const [own, app] = ['https://auth.example.org', 'https://app.example.org']
  const fakes = [
    'null',
    '',
    '*',
    'https://evil.example',
    `${app}.evil.example`,
    `${app}/`,
    `${app}:443`,
    'http://app.example.org',
    'https://APP.example.org',
    'https://x.app.example.org',
    'app.example.org',
    `${own}:8443`,
    `${app}, ${own}`,
  ]
  const table: Record<string, [silent: boolean, own: boolean, app: boolean, fake: boolean]> = {
    'same-origin': [true, true, true, true],
    'same-site': [false, false, true, false],
    'cross-site': [false, false, true, false],
    none: [false, false, true, false],
    absent: [false, true, true, false],
    '': [false, true, true, false],
    'some-new-value': [false, true, true, false],
  }
  for (const [site, [silent, ofOwn, ofApp, ofFake]] of Object.entries(table)) {
    const from = (origin: string | undefined, allowed = [app]) =>
      isFromAllowedSite({ secFetchSite: site === 'absent' ? undefined : site, origin }, own, allowed)
    t.same([from(undefined), from(own), from(app)], [silent, ofOwn, ofApp], `Sec-Fetch-Site ${site}`)
    for (const fake of fakes) t.equal(from(fake), ofFake, `Sec-Fetch-Site ${site}, Origin ${fake}`)
    t.equal(from(app, []), ofFake, 'an origin that is not on the list')
  }
})

const random = (seed: number, length = 32) =>
  createHash('shake256', { outputLength: length }).update(`${seed}`).digest()
const SECRET = random(0).toString('base64url')
const complaint = (env: Record<string, string>): string => {
  try {
    readConfig(env)
    return 'accepted'
  } catch (error) {
    return (error as Error).name === 'InvalidConfig' ? (error as Error).message : `crashed: ${String(error)}`
  }
}

t.test('without any setting the service has the documented ones', async (t) => {
  const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000]
  const expected = {
    HOST: '127.0.0.1',
    PORT: 3000,
    DATA_DIR: './data',
    AUTH_SECRET: [],
    ISSUER: 'http://localhost:3000',
    AUDIENCE: 'http://localhost:3000',
    CLIENT_ID: 'first-party',
    JWT_ALG: 'ES256',
    KEY_ROTATION: 30 * day,
    ACCESS_TTL: 5 * minute,
    REFRESH_GRACE: 10 * second,
    SESSION_IDLE: 30 * minute,
    SESSION_ABSOLUTE: 24 * hour,
    REMEMBER_IDLE: 14 * day,
    REMEMBER_ABSOLUTE: 90 * day,
    SESSION_MAX: 50,
    PASSWORD_MIN_LENGTH: 15,
    ARGON2_MEMORY_KIB: 19_456,
    ARGON2_PASSES: 2,
    ARGON2_LANES: 1,
    TRUST_PROXY: [],
    ALLOWED_ORIGINS: [],
    LIMIT_REGISTER: { count: 20, windowMs: 10 * minute },
    LIMIT_LOGIN: { count: 30, windowMs: minute },
    LIMIT_REFRESH: { count: 300, windowMs: minute },
    LIMIT_API: { count: 600, windowMs: minute },
    LIMIT_FAILURES: { count: 10, windowMs: 15 * minute },
    LIMIT_ACCOUNT_FAILURES: { count: 100, windowMs: hour },
    LIMIT_MAIL: { count: 5, windowMs: hour },
    LIMIT_MAIL_TOTAL: { count: 2000, windowMs: hour },
    LIMIT_CODES: { count: 20, windowMs: day },
    LIMIT_SECOND_FACTOR: { count: 20, windowMs: day },
    SECOND_FACTOR: 'optional',
    PASSKEY_RP_ID: 'localhost',
    PASSKEY_ORIGINS: ['http://localhost:3000'],
    SERVICE_NAME: 'Latchkey',
    MAIL_LOCALE: 'en',
    REGISTRATION: 'open',
    RESET_TTL: hour,
    VERIFY_TTL: day,
    STEP_UP_AGE: 5 * minute,
    EVENTS_KEPT: 90 * day,
    ADMIN_HOST: '127.0.0.1',
    ADMIN_KEYS: [],
    HSTS: 'max-age=31536000; includeSubDomains',
    LOG_LEVEL: 'info',
  }
  t.same(readConfig({}), expected)
  t.same(readConfig(Object.fromEntries(VARIABLES.map((name) => [name, '']))), expected, 'empty is absent')
  t.match(readConfig({ PORT: '8080' }), { ISSUER: 'http://localhost:8080', AUDIENCE: 'http://localhost:8080' })
  t.match(readConfig({ ISSUER: 'https://auth.example.org/v1' }), { AUDIENCE: 'https://auth.example.org/v1' })
  const origins = { ISSUER: 'https://auth.example.org:8443/v1', ALLOWED_ORIGINS: 'https://app.example.org' }
  t.match(readConfig(origins), {
    PASSKEY_RP_ID: 'auth.example.org',
    PASSKEY_ORIGINS: ['https://auth.example.org:8443', 'https://app.example.org'],
  })
  const required = { SECOND_FACTOR: 'required' }
  t.equal(readConfig(required).PASSWORD_MIN_LENGTH, 8)
  t.equal(readConfig({ ...required, PASSWORD_MIN_LENGTH: '12' }).PASSWORD_MIN_LENGTH, 12)
})

const SECONDS = ['777', '1.5h', '-5s', '5 mins', '9M', '8w', 'forever', '4000d', '9999999999ms', '0s', '999ms']
const LIMITS = ['777', '777/', '/77m', '0/77m', '77/500ms', '-77/1m', '1e3/77m', '77/1m/77', '77 / 1m', '77/9999999d']
const BAD: Record<string, string[]> = {
  PORT: ['65536', '-8080', '80.5', '8080x', '0x1f90', '1e4', '٣٠٠٠'],
  REDIS_URL: [
    'localhost:6379',
    'http://localhost',
    'redis://',
    'redis:///0',
    'redis://h/zero',
    'redis://h,other',
    'redis://h:65536',
    'redis://h:0',
    'redis://:hunter2%@h',
    'redis://%zz:hunter2@h',
    'redis://:hunter2@x@h',
    'redis+sentinel://h',
    'redis+sentinel://h/',
    'redis+cluster://h:x',
    'redis+other://h',
    'redis://h:port',
    'redis://h name',
  ],
  AUTH_SECRET: ['hunter2-hunter2', `${SECRET},hunter2`, `${SECRET}=`, SECRET.replace(/^.../, '+/+')],
  ISSUER: [
    'auth.example.org',
    'ftp://auth.example.org',
    'https://auth.example.org/',
    'https://auth.example.org?x',
    'https://auth.example.org#x',
    'https://',
  ],
  JWT_ALG: ['none', 'HS256', 'es256', 'ES384'],
  KEY_ROTATION: SECONDS,
  ACCESS_TTL: SECONDS,
  SESSION_IDLE: SECONDS,
  SESSION_ABSOLUTE: SECONDS,
  REMEMBER_IDLE: SECONDS,
  REMEMBER_ABSOLUTE: SECONDS,
  REFRESH_GRACE: ['777', '-5s', '5 mins', '4000d'],
  SESSION_MAX: ['0', '1001', 'many'],
  PASSWORD_MIN_LENGTH: ['7', '257', 'fifteen'],
  ARGON2_MEMORY_KIB: ['19455', '19456k'],
  ARGON2_PASSES: ['1', 'two'],
  ARGON2_LANES: ['0', '17'],
  TRUST_PROXY: [
    '1',
    'true',
    'loopback',
    '10.0.0.0/33',
    '0.0.0.0/0',
    '10.0.0.0/08',
    '10.0.0',
    '::1/129',
    '10.0.0.0/8/8',
    '10.0.0.1,2',
    '10.0.0.0/',
  ],
  ALLOWED_ORIGINS: [
    '*',
    'null',
    'app.example.com',
    'https://app.example.org/',
    'https://APP.example.org',
    'https://app.example.org:443',
    'https://*.example.org',
    'ftp://app.example.org',
    'https://a.example,b.example',
  ],
  COOKIE_DOMAIN: ['.example.org', 'example.org; Secure', 'exa mple.org', 'https://example.org', '-example.org'],
  LIMIT_REGISTER: LIMITS,
  LIMIT_LOGIN: LIMITS,
  LIMIT_REFRESH: LIMITS,
  LIMIT_API: LIMITS,
  LIMIT_FAILURES: LIMITS,
  LIMIT_ACCOUNT_FAILURES: LIMITS,
  LOG_LEVEL: ['verbose', 'INFO'],
}

const byName = (a = '', b = '') => (a < b ? -1 : 1)

/** The variables that a message names, one a line. */
const namedBy = (message: string) =>
  message
    .split('\n')
    .slice(1)
    .map((line) => /^ {2}([A-Z_\d]+) \S/.exec(line)?.[1])

t.test('a bad setting stops the start with a line that names it and prints nothing of its value', async (t) => {
  for (const [name, values] of Object.entries(BAD)) {
    for (const value of values) {
      const message = complaint({ AUTH_SECRET: SECRET, [name]: value })
      t.same(namedBy(message), [name], `${name}=${value}`)
      const hasLeaked = message.includes('hunter2') || (value.length > 3 && message.includes(value))
      t.notOk(hasLeaked, `${name}=${value} is not repeated`)
    }
  }
})

t.test('all bad settings are named at once, each of them once', async (t) => {
  const message = complaint(Object.fromEntries(Object.entries(BAD).map(([name, [value = '']]) => [name, value])))
  t.same(namedBy(message).toSorted(byName), Object.keys(BAD).toSorted(byName))
})

t.test('a duration has a unit, a lifetime is a second at least', async (t) => {
  const table: Record<string, number> = {
    '1s': 1000,
    '1000ms': 1000,
    '5m': 300_000,
    '24h': 86_400_000,
    '14d': 1_209_600_000,
    '3650d': 315_360_000_000,
  }
  for (const [text, ms] of Object.entries(table)) t.equal(readConfig({ KEY_ROTATION: text }).KEY_ROTATION, ms, text)
  t.equal(readConfig({ REFRESH_GRACE: '0s' }).REFRESH_GRACE, 0, 'the grace may be none')
  t.same(readConfig({ LIMIT_LOGIN: '5/90s' }).LIMIT_LOGIN, { count: 5, windowMs: 90_000 })
})

t.test('lists are lists of exact things', async (t) => {
  t.same(readConfig({ TRUST_PROXY: '10.0.0.0/8, ::1,fd00::/8 ,192.0.2.1' }).TRUST_PROXY, [
    '10.0.0.0/8',
    '::1',
    'fd00::/8',
    '192.0.2.1',
  ])
  const origins = ['https://app.example.org', 'http://localhost:5173', 'https://xn--mnchen-3ya.de']
  t.same(readConfig({ ALLOWED_ORIGINS: origins.join(', ') }).ALLOWED_ORIGINS, origins)
  const ISSUER = 'https://auth.example.org'
  t.equal(readConfig({ COOKIE_DOMAIN: 'example.org', ISSUER }).COOKIE_DOMAIN, 'example.org')
})

t.test('REDIS_URL names one server, sentinels or a cluster, with or without TLS and a user', async (t) => {
  const plain = { tls: false, db: 0, name: '' }
  const table: Record<string, object> = {
    'redis://localhost': { ...plain, kind: 'standalone', hosts: [{ host: 'localhost', port: 6379 }] },
    'rediss://127.0.0.1:6380/3': {
      ...plain,
      kind: 'standalone',
      tls: true,
      db: 3,
      hosts: [{ host: '127.0.0.1', port: 6380 }],
    },
    'redis://[::1]:7000/': { ...plain, kind: 'standalone', hosts: [{ host: '::1', port: 7000 }] },
    'redis://:p%40ss%3A%2F@h': { ...plain, kind: 'standalone', password: 'p@ss:/', hosts: [{ host: 'h', port: 6379 }] },
    'redis://us%C3%A9r:pw@h': {
      ...plain,
      kind: 'standalone',
      username: 'usér',
      password: 'pw',
      hosts: [{ host: 'h', port: 6379 }],
    },
    'redis+sentinel://a,b:26380/main': {
      ...plain,
      kind: 'sentinel',
      name: 'main',
      hosts: [
        { host: 'a', port: 26_379 },
        { host: 'b', port: 26_380 },
      ],
    },
    'rediss+sentinel://u:p@a/main': {
      ...plain,
      kind: 'sentinel',
      tls: true,
      username: 'u',
      password: 'p',
      name: 'main',
      hosts: [{ host: 'a', port: 26_379 }],
    },
    'redis+cluster://a:1,b:2,[fd00::1]:3': {
      ...plain,
      kind: 'cluster',
      hosts: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
        { host: 'fd00::1', port: 3 },
      ],
    },
    'rediss+cluster://a': { ...plain, kind: 'cluster', tls: true, hosts: [{ host: 'a', port: 6379 }] },
  }
  for (const [url, address] of Object.entries(table))
    t.same(readConfig({ REDIS_URL: url, AUTH_SECRET: SECRET }).REDIS_URL, address, url)
  const [required, ...others] = complaint({ REDIS_URL: 'redis://h' }).split('\n').slice(1)
  t.match(required, /^ {2}AUTH_SECRET is required with REDIS_URL; make one: node -p "[^"]+"$/)
  t.same(others, [])
  t.match(complaint({ REDIS_URL: 'redis://h', AUTH_SECRET: ' , ' }), 'AUTH_SECRET is required')
})

const series = (length: number, each: (place: number) => number) =>
  Buffer.from(Array.from({ length }, (_, place) => each(place)))

t.test(
  'AUTH_SECRET is random bytes: short, repeated, counted, spelled-out and example secrets are refused',
  async (t) => {
    const refused: Record<string, string> = {
      '31 bytes': random(1, 31).toString('base64url'),
      'one byte over and over': Buffer.alloc(32, 0xa7).toString('base64url'),
      'a few bytes over and over': Buffer.concat(Array.from({ length: 8 }, () => random(1, 5))).toString('base64url'),
      '16 bytes twice': Buffer.concat([1, 2].map(() => series(16, (place) => (place * 73 + 5) & 255))).toString(
        'base64url',
      ),
      '20 random bytes twice': Buffer.concat([random(1, 20), random(1, 20)]).toString('base64url'),
      'a few bytes in no order': Buffer.from(random(1, 64).map((byte) => byte & 7)).toString('base64url'),
      'counting up': series(32, (place) => place).toString('base64url'),
      'counting down': series(48, (place) => 255 - place).toString('base64url'),
      'counting by sevens': series(40, (place) => (place * 7) & 255).toString('base64url'),
      'a sentence': Buffer.from('My cat is called Mr Whiskers, since 2024!').toString('base64url'),
      digits: '1234567890'.repeat(5),
      'hex digits': '0123456789abcdef'.repeat(4),
      'the alphabet': 'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz',
      'the base64url alphabet': 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
      'the example of jwt.io': 'a-string-secret-at-least-256-bits-long',
      'an older example of jwt.io': 'your-256-bit-secret-your-256-bit-secret-your',
      'a placeholder': 'change-me-change-me-change-me-change-me-change-me',
      'a placeholder before something random': `changeme${random(1).toString('base64url')}`,
      'the same, spelled otherwise': `Change_Me${random(1).toString('base64url')}`,
      'another placeholder': 'REPLACE_WITH_32_RANDOM_BYTES_IN_BASE64URL_EXAMPLE',
      'standard base64': `${random(2).toString('base64url').slice(2)}+/=`,
    }
    for (const [name, secret] of Object.entries(refused)) {
      const message = complaint({ AUTH_SECRET: secret })
      t.match(message, /\n {2}AUTH_SECRET must be/, name)
      t.notOk(message.includes(secret))
      t.match(complaint({ AUTH_SECRET: `${SECRET},${secret}` }), 'AUTH_SECRET', `${name}, further down the list`)
    }
  },
)

t.test('a random AUTH_SECRET is accepted', async (t) => {
  const secrets = Array.from({ length: 1000 }, (_, seed) => random(seed, 32 + (seed % 33)).toString('base64url'))
  t.same(
    secrets.filter((secret) => complaint({ AUTH_SECRET: secret }) !== 'accepted'),
    [],
  )
  t.same(
    readConfig({ AUTH_SECRET: secrets.slice(0, 3).join(' , ') }).AUTH_SECRET,
    [0, 1, 2].map((seed) => random(seed, 32 + seed)),
  )
  t.equal(complaint({ AUTH_SECRET: random(7).toString('hex') }), 'accepted', 'by openssl rand -hex 32 too')
})
