import { createHmac, randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import t from 'tap'
import type { AccessClaims } from '../../src/domain/access-token.ts'
import { isCompactJws, isExpired, isFresh, isIssuedAs, makeClaims, readClaims } from '../../src/domain/access-token.ts'
import type { AuthKeys } from '../../src/domain/auth-secret.ts'
import { decrypt, deriveAuthKey, encrypt, isEncryptedByOldKey, mac } from '../../src/domain/auth-secret.ts'
import type { RefreshClaim } from '../../src/domain/refresh-token.ts'
import { sealRefreshToken, unsealRefreshToken } from '../../src/domain/refresh-token.ts'
import { LEEWAY_MS, deniedUntil, generationAfter, isDenied } from '../../src/domain/revocation.ts'
import type { KeyPolicy, SigningKey, SigningTime } from '../../src/domain/signing-keys.ts'
import { handOver, planKeys, findSigningKey } from '../../src/domain/signing-keys.ts'

const [first, second] = [1, 2].map((byte) => deriveAuthKey(Buffer.alloc(32, byte))) as [AuthKeys[0], AuthKeys[0]]
const keys: AuthKeys = [first]
const claim: RefreshClaim = {
  transport: 'cookie',
  userId: Buffer.alloc(16, 1).toString('base64url'),
  sessionId: Buffer.alloc(16, 2).toString('base64url'),
  secret: Buffer.alloc(16, 0xfb).toString('base64url'),
  counter: 7,
}
const token = sealRefreshToken(keys, claim)
const bytes = Buffer.from(token, 'base64url')
const flipped = (from: Buffer, bit: number) => {
  const copy = Buffer.from(from)
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
  return copy
}

const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((array) => Buffer.from(array).toString('base64url'))
const claims = fc.record<RefreshClaim>({
  transport: fc.constantFrom('body', 'cookie'),
  userId: fc.oneof(id, fc.stringMatching(/^[\w-]{1,64}$/)),
  sessionId: id,
  secret: id,
  counter: fc.nat({ max: 0xff_ff_ff_ff }),
})

t.test('a sealed refresh token says what was sealed, and the same claim is always the same token', async (t) => {
  fc.assert(
    fc.property(claims, (any) => {
      const sealed = sealRefreshToken(keys, any)
      t.same(unsealRefreshToken(keys, sealed), any)
      t.equal(sealRefreshToken(keys, { ...any }), sealed)
    }),
  )
  const others = [{ transport: 'body' }, { counter: 8 }, { userId: claim.secret }, { sessionId: claim.secret }]
  for (const other of others) t.not(sealRefreshToken(keys, { ...claim, ...other } as RefreshClaim), token)
})

t.test('a refresh token with any bit changed is none of ours', async (t) => {
  for (const userId of [claim.userId, '7', 'x'.repeat(64)]) {
    const whole = Buffer.from(sealRefreshToken(keys, { ...claim, userId }), 'base64url')
    const accepted = Array.from({ length: whole.length * 8 }, (_, bit) => flipped(whole, bit).toString('base64url'))
    t.same(
      accepted.filter((each) => unsealRefreshToken(keys, each) !== null),
      [],
    )
  }
})

t.test('a refresh token has one spelling', async (t) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const lastChanged = Array.from(alphabet, (last) => token.slice(0, -1) + last)
  t.same(
    lastChanged.filter((each) => unsealRefreshToken(keys, each) !== null),
    [token],
    'one last character of 64',
  )
  const cut = Array.from(token, (_, length) => token.slice(0, length))
  const stuffed = [' ', '\n', '=', '.', '*', '\0', 'A', 'é'].flatMap((stuffing) =>
    Array.from({ length: token.length + 1 }, (_, at) => token.slice(0, at) + stuffing + token.slice(at)),
  )
  t.match(token, /[-_]/, 'this token has a character that base64 spells otherwise')
  const base64 = [token.replaceAll('-', '+').replaceAll('_', '/'), bytes.toString('base64'), bytes.toString('hex')]
  const spellings = [...cut, ...stuffed, ...base64, `${token}==`, token + token, token.toLowerCase(), ` ${token} `]
  t.same(
    spellings.filter((each) => unsealRefreshToken(keys, each) !== null),
    [],
  )
})

t.test('a right MAC saves no token of another version or an unheard-of transport', async (t) => {
  const resealed = (place: number, byte: number) => {
    const body = Buffer.from(bytes.subarray(0, bytes.length - 32))
    body.writeUInt8(byte, place)
    return Buffer.concat([body, mac(first, body)]).toString('base64url')
  }
  t.equal(resealed(0, 1), token, 'the forgery is done right')
  for (const version of [0, 2, 255]) t.equal(unsealRefreshToken(keys, resealed(0, version)), null, `version ${version}`)
  for (const transport of [2, 255]) t.equal(unsealRefreshToken(keys, resealed(5, transport)), null)
})

t.test('a refresh token lives as long as the secret that sealed it is listed', async (t) => {
  t.equal(unsealRefreshToken([second], token), null, 'sealed under another secret')
  t.same(unsealRefreshToken([second, first], token), claim, 'the old secret behind the new one')
  t.equal(sealRefreshToken([second, first], claim), sealRefreshToken([second], claim), 'the first one seals')
  const posing = Buffer.concat([bytes.subarray(0, 1), Buffer.alloc(4), bytes.subarray(5)])
  posing.writeUInt32BE(second.id, 1)
  t.equal(unsealRefreshToken([second, first], posing.toString('base64url')), null, 'a key id is no key')
})

const issuer = { iss: 'https://auth.example.org', aud: 'https://api.example.org', client_id: 'app' }
const subject = {
  userId: 'uid',
  sessionId: 'sid',
  generation: 3,
  counter: 9,
  authAt: 1_700_000_000_999,
  amr: ['pwd'],
  emailVerified: false,
  roles: [],
  app: {},
} as const
const life = { now: 1_700_000_100_999, ttlMs: 300_000, spread: 0, jti: 'jti' }
const made: AccessClaims = {
  ...issuer,
  sub: 'uid',
  iat: 1_700_000_100,
  exp: 1_700_000_400,
  jti: 'jti',
  sid: 'sid',
  gen: 3,
  rtc: 9,
  auth_time: 1_700_000_000,
  amr: ['pwd'],
  acr: 'aal1',
}

/** The claims that let somebody in, if they are alive. */
function admissible(payload: unknown): AccessClaims | null {
  const claims = readClaims(payload)
  return claims !== null && isIssuedAs(claims, issuer) ? claims : null
}

t.test('an access token carries the documented claims and no others', async (t) => {
  t.strictSame(makeClaims(issuer, subject, life), made)
  t.strictSame(admissible(structuredClone(made)), made)
})

t.test('an access token says aal2 where two factors were proven', async (t) => {
  const twice = makeClaims(issuer, { ...subject, amr: ['pwd', 'otp', 'mfa'] }, life)
  t.match(twice, { amr: ['pwd', 'otp', 'mfa'], acr: 'aal2' })
})

t.test('an access token says that the address is verified, or nothing of it', async (t) => {
  const verified = makeClaims(issuer, { ...subject, emailVerified: true }, life)
  t.strictSame(admissible(structuredClone(verified)), { ...made, email_verified: true })
  for (const wrong of [false, 'true', 1, null]) t.equal(readClaims({ ...made, email_verified: wrong }), null)
})

t.test('a token is fresh for so long after its person has proved who they are, and not a ms longer', async (t) => {
  const proven = { auth_time: 1_700_000_000 }
  t.ok(isFresh(proven, 1_700_000_300_000, 300_000))
  t.notOk(isFresh(proven, 1_700_000_300_001, 300_000))
  t.ok(isFresh(proven, 1_699_999_999_000, 300_000), 'by a clock that is behind')
})

t.test('an access token lives its time less a spread of up to 5 %, and at least a second', async (t) => {
  const lifetime = (ttlMs: number, spread: number) => {
    const { iat, exp } = makeClaims(issuer, subject, { ...life, ttlMs, spread })
    return exp - iat
  }
  t.same(
    [0, 0.5, 0.999_999].map((spread) => lifetime(300_000, spread)),
    [300, 292, 285],
  )
  t.same(
    [0, 0.999_999].map((spread) => lifetime(1000, spread)),
    [1, 1],
  )
  t.equal(lifetime(86_400_000, 0.999_999), 82_080)
})

t.test('a claim that is missing, of another type or of another issuer makes the token none of ours', async (t) => {
  const texts = { sub: [1, null, [], {}], jti: [1, null], sid: [1, null] }
  const others = {
    iss: ['https://auth.example.org/', ['https://auth.example.org'], null, 1],
    client_id: ['App', ['app']],
  }
  const audiences = { aud: ['https://api.example.com', ['https://api.example.org'], null] }
  const numbers = ['iat', 'exp', 'gen', 'rtc', 'auth_time'].map((name) => [
    name,
    ['9', 1.5, NaN, Infinity, null, 2 ** 53, [9]],
  ])
  const wrong = {
    ...texts,
    ...others,
    ...audiences,
    ...Object.fromEntries(numbers),
    amr: ['pwd', null, { 0: 'pwd' }],
    acr: [1, null, ['aal1']],
    nbf: [1, 0, null],
  }
  for (const name of Object.keys(made)) {
    const { [name as 'sub']: _, ...rest } = made
    t.equal(admissible(rest), null, `without ${name}`)
    t.ok(name in wrong, `${name} has its wrong values in this test`)
  }
  for (const [name, values] of Object.entries(wrong as Record<string, unknown[]>)) {
    for (const value of values) t.equal(admissible({ ...made, [name]: value }), null, `${name}: ${String(value)}`)
  }
  for (const payload of [null, undefined, 'text', 1, [], {}]) t.equal(admissible(payload), null)
})

t.test('an access token is accepted until 10 s after exp, not a millisecond longer', async (t) => {
  const table: [now: number, expired: boolean][] = [
    [0, false],
    [99_999, false],
    [100_000, false],
    [109_999, false],
    [110_000, true],
    [110_001, true],
  ]
  for (const [now, expired] of table) t.equal(isExpired({ iat: 0, exp: 100 }, now, 100_000), expired, `at ${now}`)
})

t.test('an access token whose life the spread has shortened is accepted until 10 s after its own exp', async (t) => {
  t.equal(isExpired({ iat: 0, exp: 95 }, 95_000 + 9_999, 100_000), false)
  t.equal(isExpired({ iat: 0, exp: 95 }, 95_000 + 10_000, 100_000), true)
})

t.test('an access token issued under a longer ACCESS_TTL lives no longer than one issued now would', async (t) => {
  t.equal(isExpired({ iat: 50, exp: 3650 }, 350_000 + 9_999, 300_000), false)
  t.equal(isExpired({ iat: 50, exp: 3650 }, 350_000 + 10_000, 300_000), true)
})

t.test('only three base64url parts are the form of a JWT', async (t) => {
  for (const good of ['a.b.c', 'aZ09-_.aZ09-_.aZ09-_', `a.${'b'.repeat(4092)}.c`])
    t.ok(isCompactJws(good), good.slice(0, 30))
  const bad = [
    '',
    'a',
    'a.b',
    '.b.c',
    'a..c',
    'a.b.',
    'a.b.c.d',
    'a.b.c=',
    'a.b.c\n',
    '\na.b.c',
    ' a.b.c',
    'a.b.c ',
    'a.b+.c',
    'a/.b.c',
    'a.b.ç',
    'a.b.c,a.b.c',
  ]
  for (const each of [...bad, `a.${'b'.repeat(8189)}.c`]) t.notOk(isCompactJws(each), JSON.stringify(each.slice(0, 30)))
})

t.test(
  'a token is denied by its own id, its session, or a generation above its own, and by nothing else',
  async (t) => {
    const table: [token: boolean, session: boolean, generation: number | null, denied: boolean][] = [
      [false, false, null, false],
      [true, false, null, true],
      [false, true, null, true],
      [true, true, 9, true],
      [false, false, 6, true],
      [false, false, 5, false],
      [false, false, 4, false],
      [false, false, 0, false],
      [true, false, 4, true],
      [false, true, 4, true],
    ]
    for (const [token, session, generation, denied] of table) {
      t.equal(
        isDenied({ gen: 5 }, { token, session, generation }),
        denied,
        JSON.stringify({ token, session, generation }),
      )
    }
    t.equal(isDenied({ gen: 0 }, { token: false, session: false, generation: 1 }), true, 'the first generation too')
  },
)

t.test('the next generation is above the last, and above one that a failover has lost', async (t) => {
  t.equal(generationAfter(0, 1_800_000_000_000.5), 1_800_000_000_000)
  t.equal(generationAfter(7, 5), 8, 'a clock that was set back')
  const lost = generationAfter(0, 1_800_000_000_000)
  t.ok(generationAfter(0, 1_800_000_000_001) > lost)
})

t.test('a denial outlives the tokens it denies by a minute', async () => {
  const seconds = fc.integer({ min: 1, max: 86_400 })
  fc.assert(
    fc.property(
      fc.nat(),
      fc.nat(),
      seconds,
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      (start, age, ttl, spread) => {
        const now = 1_700_000_000_000 + start
        const { exp } = makeClaims(issuer, subject, { now: now - age, ttlMs: ttl * 1000, spread, jti: 'jti' })
        return deniedUntil(now, ttl * 1000) >= exp * 1000 + LEEWAY_MS + 60_000
      },
    ),
  )
})

t.test('what AUTH_SECRET has encrypted only AUTH_SECRET reads', async (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (plain) => decrypt(keys, encrypt(keys, plain)) === plain))
  const text = encrypt(keys, 'a private key')
  t.not(encrypt(keys, 'a private key'), text, 'never the same twice')
  t.equal(decrypt([second], text), null, 'another secret')
  t.equal(decrypt([second, first], text), 'a private key', 'the old secret behind the new one')
  t.equal(decrypt([{ ...second, id: first.id }], text), null, 'another secret that poses as this one')
  t.same([isEncryptedByOldKey(keys, text), isEncryptedByOldKey([second, first], text)], [false, true])
  t.equal(decrypt([second], encrypt([second, first], 'x')), 'x', 'the first secret encrypts')
})

t.test('an encrypted text that somebody has changed is refused', async (t) => {
  const text = encrypt(keys, 'a private key')
  const [id, ...parts] = text.split('.') as [string, string, string, string]
  const changed = parts.flatMap((part, place) => {
    const raw = Buffer.from(part, 'base64url')
    const others = [...Array.from({ length: raw.length * 8 }, (_, bit) => flipped(raw, bit)), Buffer.concat([raw, raw])]
    const cuts = Array.from(raw, (_, length) => raw.subarray(0, length))
    return [...others, ...cuts].map((other) => [id, ...parts.with(place, other.toString('base64url'))].join('.'))
  })
  const malformed = [
    '',
    '.',
    '...',
    id,
    `${id}.`,
    `${id}...`,
    parts.join('.'),
    `x.${parts.join('.')}`,
    [id, ...parts.toReversed()].join('.'),
  ]
  const read = [...changed, ...malformed].filter((each) => decrypt(keys, each) !== null)
  t.same(read, [], 'not a bit may differ, and no tag be shorter than 16 bytes')
})

t.test('a secret is split into keys that do not tell of one another', async (t) => {
  const [secret, data] = [randomBytes(32), Buffer.from('data')]
  const derived = deriveAuthKey(secret)
  const again = deriveAuthKey(Buffer.from(secret))
  t.same([again.id, mac(again, data)], [derived.id, mac(derived, data)], 'always the same ones')
  t.equal(decrypt([again], encrypt([derived], 'x')), 'x')
  for (const other of [secret, derived.encryptionKey]) {
    t.notOk(createHmac('sha256', other).update(data).digest().equals(mac(derived, data)))
  }
  t.notOk(derived.encryptionKey.equals(secret))
})

const DAY = 86_400_000
const policy: KeyPolicy = { alg: 'ES256', rotationMs: 30 * DAY, accessTtlMs: 300_000, sessionMs: 90 * DAY }
const key = (kid: string, from: number, until: number, alg: SigningKey['alg'] = 'ES256'): SigningKey => ({
  kid,
  alg,
  signsFrom: from * DAY,
  signsUntil: until * DAY,
  privatePem: '',
  publicPem: '',
  madeAt: 0,
})
const days = (times: readonly SigningTime[]) =>
  times.map(({ signsFrom, signsUntil }) => [signsFrom / DAY, signsUntil / DAY])
const ring = [key('a', 0, 30), key('b', 30, 60)]

t.test('the ring always has a key that signs and, a whole rotation ahead, the next one', async (t) => {
  const table: [name: string, keys: SigningKey[], day: number, kept: string, missing: number[][]][] = [
    [
      'first start',
      [],
      5,
      '',
      [
        [5, 35],
        [35, 65],
      ],
    ],
    ['nothing to do', ring, 29.999, 'ab', []],
    ['the next key signs now: its successor is due', ring, 30, 'ab', [[60, 90]]],
    ['the old key is dropped when its tokens are dead', ring, 31, 'b', [[60, 90]]],
    [
      'a long sleep: the last key has run out',
      ring,
      61,
      'b',
      [
        [61, 91],
        [91, 121],
      ],
    ],
    ['a sleep to the last day', ring, 59, 'b', [[60, 90]]],
    [
      'a sleep to the very end',
      ring,
      60,
      'b',
      [
        [60, 90],
        [90, 120],
      ],
    ],
    [
      'a change of algorithm',
      [key('a', 0, 30, 'RS256'), key('b', 30, 60, 'RS256')],
      10,
      'ab',
      [
        [10, 40],
        [40, 70],
      ],
    ],
    ['a change of algorithm and back', [...ring, key('c', 10, 40, 'EdDSA'), key('d', 40, 70, 'EdDSA')], 20, 'abcd', []],
  ]
  for (const [name, keys, day, kept, missing] of table) {
    const plan = planKeys(keys, policy, day * DAY)
    t.same([plan.kept.map(({ kid }) => kid).join(''), days(plan.missing)], [kept, missing], name)
  }
})

t.test(
  'a key verifies until the last token it may have signed is dead, on an instance that has not heard of a rotation too',
  async (t) => {
    const until = 30 * DAY + policy.accessTtlMs + LEEWAY_MS + 60_000
    t.match(planKeys(ring, policy, until - 1).kept, [{ kid: 'a' }, { kid: 'b' }])
    t.match(planKeys(ring, policy, until + 1).kept, [{ kid: 'b' }])
  },
)

t.test(
  'over years of rotations every key is known nearly a rotation before it signs, and no moment is without one',
  async (t) => {
    let keys: readonly SigningKey[] = []
    const bornAt = new Map<string, number>()
    for (let day = 0; day < 1000; day += 7) {
      const { kept, missing } = planKeys(keys, policy, day * DAY)
      keys = [...kept, ...missing.map((time, place) => Object.assign(key(`${day}.${place}`, 0, 0), time))]
      for (const { kid } of keys) if (!bornAt.has(kid)) bornAt.set(kid, day)
      const signing = findSigningKey(keys, 'ES256', day * DAY)
      t.ok(signing && signing.signsUntil > day * DAY, `day ${day}: a key in its time signs`)
      if (day > 30) t.ok(day - (bornAt.get(signing?.kid ?? '') ?? day) >= 23, `day ${day}: it has been known`)
      t.ok(keys.length <= 3)
    }
  },
)

t.test('by command the key that signs hands over to the one already published', async (t) => {
  const rotated = handOver(ring, policy, 10 * DAY)
  t.same(days(rotated), [
    [0, 10],
    [10, 40],
  ])
  t.equal(findSigningKey(ring, 'ES256', 10 * DAY)?.kid, 'a')
  t.equal(findSigningKey(rotated, 'ES256', 10 * DAY)?.kid, 'b')
  t.same(days(planKeys(rotated, policy, 10 * DAY).missing), [[40, 70]], 'and a new successor is due')
  t.same(handOver([key('a', 0, 30)], policy, 10 * DAY), [key('a', 0, 30)], 'without a successor nothing changes')
  const mixed = [key('c', 0, 30, 'EdDSA'), key('d', 30, 60, 'EdDSA'), ...ring]
  t.same(
    days(handOver(mixed, policy, 10 * DAY)),
    [
      [0, 30],
      [30, 60],
      [0, 10],
      [10, 40],
    ],
    'other algorithms are left alone',
  )
})

t.test(
  'by command no key signs that has not been published for five minutes, or made with the one before it',
  async (t) => {
    const since = 10 * DAY
    const next = { ...key('c', 40, 70), madeAt: since }
    const rotated = [...handOver(ring, policy, since), next]
    for (const ms of [0, 1, 299_999]) t.same(handOver(rotated, policy, since + ms), rotated, `${ms} ms later: not yet`)
    const again = handOver(rotated, policy, since + 300_000)
    t.same(findSigningKey(again, 'ES256', since + 300_000)?.kid, 'c')
    t.match(again[1], { kid: 'b', signsUntil: since + 300_000 })
  },
)

t.test('by command a key that was made together with the one before it signs at once', async (t) => {
  const [now, madeAt] = [DAY, DAY - 1]
  const pair = ring.map((each) => ({ ...each, madeAt }))
  t.equal(findSigningKey(handOver(pair, policy, now), 'ES256', now)?.kid, 'b')
})

t.test('by command the first key hands over to the second also on a clock that is behind both', async (t) => {
  t.equal(findSigningKey(ring, 'ES256', -DAY)?.kid, 'a')
  t.equal(findSigningKey(handOver(ring, policy, -DAY), 'ES256', -DAY)?.kid, 'b')
})

t.test('the key that signs is of the algorithm in force and the latest to have begun', async (t) => {
  const keys = [...ring, key('c', 10, 40, 'EdDSA')]
  const at = (alg: SigningKey['alg'], day: number) => findSigningKey(keys, alg, day * DAY)?.kid
  t.same([at('ES256', 0), at('ES256', 29.999), at('ES256', 30), at('ES256', 400)], ['a', 'a', 'b', 'b'])
  t.same([at('ES256', -1), at('EdDSA', 9), at('EdDSA', 10)], ['a', 'c', 'c'], 'on a clock that is behind, the first')
  t.equal(at('RS256', 10), undefined)
})
