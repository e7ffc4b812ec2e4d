import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import t, { type Test } from 'tap'
import { type Hashing, makeHashing } from '../../src/auth/credentials/hashing.ts'
import { type Keyring, openKeyring } from '../../src/auth/keys/keyring.ts'
import { type AccessClaims, makeClaims } from '../../src/domain/access-token.ts'
import { type AuthKeys, deriveAuthKey } from '../../src/domain/auth-secret.ts'
import { type Algorithm, ALGORITHMS, type KeyPolicy } from '../../src/domain/signing-keys.ts'
import { keys } from '../../src/store/keys.ts'
import { openLmdb } from '../../src/store/lmdb/lmdb-store.ts'
import { type Store, StoreUnavailable } from '../../src/store/store.ts'
import { freePort } from '../support/free-port.ts'
import { processorTime } from '../support/processor-time.ts'
import { startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'
import { openHere } from '../support/store-process.ts'
import { newId } from '../../src/domain/id.ts'
import { Busy } from '../../src/auth/errors.ts'

const MINUTE = 60_000
const DAY = 86_400_000
const POLICY: KeyPolicy = { alg: 'ES256', rotationMs: 30 * DAY, accessTtlMs: 5 * MINUTE, sessionMs: 90 * DAY }
const ISSUER = { iss: 'https://auth.example.org', aud: 'https://api.example.org', client_id: 'app' }
const newSecret = () => deriveAuthKey(randomBytes(32))

/** An empty store, a clock to turn, and keyrings on them. */
async function home(t: Test) {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-keyring-'))
  const time = { now: Date.UTC(2030, 0, 1) }
  const store = await openLmdb({ dir, clock: () => time.now })
  const events: string[] = []
  const rings: Keyring[] = []
  t.teardown(async () => {
    for (const ring of rings) ring.close()
    await store.close()
    await rm(dir, { recursive: true })
  })
  const secret = newSecret()
  function open(alg: Algorithm = 'ES256', authKeys: AuthKeys = [secret], on: Store = store): Keyring {
    const policy = { ...POLICY, alg }
    const ring = openKeyring({
      store: on,
      authKeys,
      policy,
      clock: () => time.now,
      record: ({ event }) => void events.push(event),
    })
    rings.push(ring)
    return ring
  }
  async function opened(alg?: Algorithm, authKeys?: AuthKeys): Promise<Keyring> {
    const ring = open(alg, authKeys)
    await ring.reload()
    return ring
  }
  const claims = (): AccessClaims => {
    const subject = {
      userId: 'uid',
      sessionId: 'sid',
      generation: 0,
      counter: 1,
      authAt: time.now,
      amr: ['pwd'],
      emailVerified: false,
      roles: [],
      app: {},
    } as const
    return makeClaims(ISSUER, subject, {
      now: time.now,
      ttlMs: POLICY.accessTtlMs,
      spread: 0,
      jti: randomBytes(9).toString('hex'),
    })
  }
  const sealed = async () => (await store.get(keys.signingKeys))?.value ?? ''
  return {
    dir,
    time,
    store,
    secret,
    events,
    open,
    opened,
    sealed,
    sign: (ring: Keyring) => ring.sign(claims(), ring.identity() ?? ''),
  }
}

/** What a resource server remembers of the JWKS. */
const published = (ring: Keyring) => structuredClone({ keys: ring.jwks() }) as unknown as JSONWebKeySet
const kidOf = (token: string) => decodeProtectedHeader(token).kid
const kids = (set: JSONWebKeySet) => set.keys.map(({ kid }) => kid)

/** Verifies as a resource server would, by somebody else's implementation; throws if the token is not good. */
async function verify(token: string, set: JSONWebKeySet, now: number, alg: Algorithm = 'ES256'): Promise<void> {
  const rules = {
    issuer: ISSUER.iss,
    audience: ISSUER.aud,
    typ: 'at+jwt',
    algorithms: [alg],
    currentDate: new Date(now),
  }
  await jwtVerify(token, createLocalJWKSet(set), rules)
}

t.test(
  'ten instances that meet an empty store at once agree on one ring, with a key that signs and the next one',
  async (t) => {
    const { open, sign, events, time } = await home(t)
    const rings = Array.from({ length: 10 }, () => open())
    await Promise.all(rings.map((ring) => ring.reload()))
    const [first] = rings as [Keyring]
    t.equal(first.jwks().length, 2)
    t.match(first.identity(), /^[\w-]{22}$/)
    for (const ring of rings) {
      t.equal(ring.fault(), null)
      t.equal(ring.identity(), first.identity())
      t.same(ring.jwks(), first.jwks())
      await verify(sign(ring), published(first), time.now)
    }
    t.equal(new Set(rings.map((ring) => kidOf(sign(ring)))).size, 1)
    t.same(events, [], 'a first key is no rotation')
  },
)

t.test(
  'over a hundred days of rotations a JWKS a day old verifies every token, and each key is known long before it signs',
  async (t) => {
    const { opened, sign, time } = await home(t)
    const [one, two] = [await opened(), await opened()]
    const knownSince = new Map<string, number>()
    const signedBy = new Set<string>()
    for (let day = 0; day < 100; day += 1) {
      const cached = published(day % 2 === 0 ? one : two)
      const before = sign(one)
      for (const kid of kids(cached) as string[]) if (!knownSince.has(kid)) knownSince.set(kid, day)
      time.now += DAY
      await (day % 2 === 0 ? two : one).reload()
      for (const token of [sign(one), sign(two)]) {
        await verify(token, cached, time.now)
        const kid = kidOf(token) ?? ''
        if (day >= 29 && !signedBy.has(kid)) t.ok(day + 1 - (knownSince.get(kid) ?? day) >= 28, `${kid} was known`)
        signedBy.add(kid)
      }
      t.not(one.find(kidOf(before)), undefined, 'a token from before still finds its key')
    }
    t.equal(signedBy.size, 4)
    t.equal(one.jwks().length, 2, 'the keys of dead tokens are gone')
  },
)

t.test('a rotation by command makes no token fail, on instances that have not heard of it neither', async (t) => {
  const { opened, sign, time, events } = await home(t)
  const [one, two] = [await opened(), await opened()]
  for (let times = 0; times < 3; times += 1) {
    events.length = 0
    const cached = published(two)
    const old = sign(one)
    await one.rotate()
    const [fresh, late] = [sign(one), sign(two)]
    t.not(kidOf(fresh), kidOf(old), 'the next key signs')
    t.equal(kidOf(late), kidOf(old), 'the other instance has not heard')
    for (const token of [old, fresh, late])
      for (const set of [cached, published(one)]) await verify(token, set, time.now)
    t.ok(two.find(kidOf(fresh)) && one.find(kidOf(late)), 'each knows the key of the other')
    await two.reload()
    t.equal(kidOf(sign(two)), kidOf(fresh))
    t.same(events, ['key.rotated', 'key.rotated'], 'it is told by each, once')
    time.now += 5 * MINUTE + 10_000 + MINUTE
    await Promise.all([one.reload(), two.reload()])
    await verify(late, published(one), time.now - 2 * MINUTE)
    time.now += 1
    await one.reload()
    t.equal(one.find(kidOf(old)), undefined, 'a key goes when its last token is dead')
  }
})

t.test('rotations by command on many instances at once let no key sign that was not published before', async (t) => {
  const { opened, sign, time } = await home(t)
  const rings = await Promise.all(Array.from({ length: 5 }, () => opened()))
  const [one, two, late] = rings as [Keyring, Keyring, Keyring]
  time.now += MINUTE
  const [cached, before] = [published(one), sign(one)]
  await Promise.all([one.rotate(), two.rotate(), one.rotate()])
  await Promise.all([one, two].map((ring) => ring.reload()))
  const fresh = sign(one)
  t.not(kidOf(fresh), kidOf(before))
  t.equal(kidOf(sign(two)), kidOf(fresh))
  t.same(published(two), published(one), 'all have one ring')
  await verify(before, published(one), time.now)
  t.ok(late.find(kidOf(fresh)), 'an instance that has not heard of it knows the key')
  await t.resolves(verify(fresh, cached, time.now), 'and so does whoever has fetched the JWKS before')
  time.now += 1000
  await two.rotate()
  t.equal(kidOf(sign(two)), kidOf(fresh), 'a command that comes again too soon changes nothing')
  time.now += 5 * MINUTE
  await late.reload()
  await late.rotate()
  t.not(kidOf(sign(late)), kidOf(fresh))
  await verify(sign(late), published(one), time.now)
})

t.test('ids are 128 random bits: none comes twice, every letter as often as another', async (t) => {
  const ids = Array.from({ length: 100_000 }, newId)
  t.equal(new Set(ids).size, ids.length)
  t.ok(ids.every((id) => /^[\w-]{22}$/.test(id)))
  for (let place = 0; place < 21; place += 1) {
    const counts = new Map<string, number>()
    for (const id of ids) counts.set(id[place] ?? '', (counts.get(id[place] ?? '') ?? 0) + 1)
    const rare = Math.min(...counts.values())
    t.ok(counts.size === 64 && rare > 1300, `place ${place}: 64 letters, each about 1562 times, the rarest ${rare}`)
  }
})

t.test('a dump of the store shows no signing key', async (t) => {
  const { dir, opened, sealed } = await home(t)
  const ring = await opened()
  const files = await readdir(dir)
  const dump = Buffer.concat(await Promise.all(files.map((file) => readFile(join(dir, file))))).toString('latin1')
  t.ok(dump.includes(await sealed()), 'the dump is of this store')
  const pems = ring.jwks().map(({ kid }) => ring.find(kid)?.privatePem ?? '')
  const lines = pems.flatMap((pem) => pem.split('\n').filter((line) => line.length > 8))
  t.equal(lines.length, 2 * 5, 'two keys, five lines each')
  const telling = [...lines, 'PRIVATE', 'privatePem', 'BEGIN'].flatMap((word) => [
    word,
    Buffer.from(word).toString('base64url').slice(0, -2),
    Buffer.from(word).toString('hex'),
  ])
  t.same(
    telling.filter((word) => dump.includes(word)),
    [],
  )
})

t.test('another AUTH_SECRET is a fault that says so, and overwrites nothing', async (t) => {
  const { opened, open, sign, sealed, secret } = await home(t)
  const ring = await opened()
  const before = await sealed()
  const stranger = open('ES256', [newSecret()])
  await t.rejects(stranger.reload(), StoreUnavailable)
  await t.rejects(stranger.rotate(), StoreUnavailable)
  t.match(stranger.fault(), /AUTH_SECRET/)
  t.equal(stranger.identity(), null)
  for (const use of [() => sign(stranger), () => stranger.jwks(), () => stranger.find('kid')])
    t.throws(use, StoreUnavailable)
  t.equal(await sealed(), before)
  await ring.reload()
  t.equal(ring.fault(), null)
  const next = newSecret()
  const rotated = await opened('ES256', [next, secret])
  t.same(rotated.jwks(), ring.jwks(), 'the old secret behind the new one reads the keys')
  t.not(await sealed(), before, 'and seals them under the new one')
  t.same((await opened('ES256', [next])).jwks(), ring.jwks(), 'so that the old one can go')
  const behind = open()
  await t.rejects(behind.reload(), StoreUnavailable)
  t.match(behind.fault(), /AUTH_SECRET/)
})

t.test('an instance with two secrets leaves the keys alone once they are sealed under the first', async (t) => {
  const { opened, sealed, secret } = await home(t)
  await opened()
  const before = await sealed()
  const ring = await opened('ES256', [secret, newSecret()])
  await ring.reload()
  t.equal(await sealed(), before)
})

t.test('each algorithm makes tokens that others verify, and a JWKS of public members only', async (t) => {
  const members: Record<Algorithm, string[]> = { ES256: ['crv', 'x', 'y'], EdDSA: ['crv', 'x'], RS256: ['e', 'n'] }
  for (const alg of ALGORITHMS) {
    const { opened, sign, time } = await home(t)
    const ring = await opened(alg)
    const token = sign(ring)
    await verify(token, published(ring), time.now, alg)
    t.strictSame(decodeProtectedHeader(token), { alg, typ: 'at+jwt', kid: ring.jwks()[0]?.kid ?? '' })
    for (const jwk of ring.jwks()) {
      t.same(
        Object.keys(jwk).toSorted(),
        ['alg', 'kid', 'kty', 'use', ...(members[alg] ?? [])].toSorted(),
        `${alg}: its members`,
      )
      t.match(jwk, { alg, use: 'sig' })
    }
    const [head, body, signature] = token.split('.') as [string, string, string]
    const other = Buffer.from(body, 'base64url').toString().replace('"uid"', '"you"')
    const forged = [head, Buffer.from(other).toString('base64url'), signature].join('.')
    await t.rejects(verify(forged, published(ring), time.now, alg), `${alg}: somebody else's subject`)
  }
})

t.test('a change of algorithm keeps the keys of the old tokens', async (t) => {
  const { opened, sign, time } = await home(t)
  const before = await opened('ES256')
  const old = sign(before)
  const after = await opened('EdDSA')
  t.match(decodeProtectedHeader(sign(after)), { alg: 'EdDSA' })
  await verify(sign(after), published(after), time.now, 'EdDSA')
  await verify(old, published(after), time.now)
  t.ok(after.find(kidOf(old)))
  await before.reload()
  t.ok(before.find(kidOf(sign(after))), 'an instance of the old setting knows the keys of the new one')
  t.match(decodeProtectedHeader(sign(before)), { alg: 'ES256' })
})

t.test('a store that has been emptied gets a new ring under a new name, and that is told', async (t) => {
  const { opened, store, events, sign, time } = await home(t)
  const ring = await opened()
  const [identity, set] = [ring.identity(), published(ring)]
  await store.commit({ checks: [], puts: [], deletes: [keys.identity] })
  await ring.reload()
  t.not(ring.identity(), identity)
  t.ok(events.includes('store.replaced'))
  await t.rejects(verify(sign(ring), set, time.now), 'no key of the lost ring signs')
})

t.test('a keyring that starts before its store throws StoreUnavailable, then comes to life by itself', async (t) => {
  const { open, sign, time } = await home(t)
  const port = await freePort()
  const store = await openHere({ url: `redis://127.0.0.1:${port}` })
  t.teardown(() => store.close())
  const ring = open('ES256', undefined, store)
  await t.rejects(ring.reload(), StoreUnavailable)
  t.match(ring.fault(), /not loaded/)
  t.throws(() => sign(ring), StoreUnavailable)
  const redis = await startRedis({ port })
  t.teardown(redis.stop)
  await eventually(() => ring.fault() === null, { within: 5000 })
  await verify(sign(ring), published(ring), time.now)
  await redis.kill()
  await t.rejects(ring.reload(), StoreUnavailable)
  t.ok(sign(ring), 'and outlives its absence')
})

const OWASP = { memoryKib: 19_456, passes: 2, lanes: 1, processors: 2 }
const QUICK = { memoryKib: 1024, passes: 2, lanes: 1, processors: 2 }

t.test('a hash is argon2id at OWASP’s minimum with a salt of its own, and only its password opens it', async (t) => {
  const hashing = makeHashing(OWASP)
  const [one, two] = await Promise.all([hashing.hash('Größe 😀'), hashing.hash('Größe 😀')])
  for (const hash of [one, two])
    t.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z\d+/]{22}\$[A-Za-z\d+/]{43}$/)
  t.not(one.split('$')[4], two.split('$')[4], 'the salts differ')
  const opens = await Promise.all(
    ['Größe 😀', 'größe 😀', 'Größe 😀 ', '', 'nobody'].map((password) => hashing.verify(one, password)),
  )
  t.same(opens, [true, false, false, false, false])
  t.equal(await hashing.verify(null, 'nobody'), false, 'nobody has no password')
})

t.test('a hash by the argon2 reference implementation verifies', async (t) => {
  const reference = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
  t.equal(await makeHashing(OWASP).verify(reference, 'password'), true)
  t.equal(await makeHashing(OWASP).verify(reference, 'passwore'), false)
})

t.test(
  'a hash is outdated when it was made with less memory or fewer passes than today’s, not with more',
  async (t) => {
    const made = (memory: number, passes: number) =>
      `$argon2id$v=19$m=${memory},t=${passes},p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc`
    const hashing = makeHashing({ ...OWASP, passes: 3 })
    const table: [memory: number, passes: number, isOutdated: boolean][] = [
      [19_456, 3, false],
      [19_455, 3, true],
      [19_456, 2, true],
      [8192, 9, true],
      [65_536, 3, false],
      [19_456, 4, false],
      [65_536, 4, false],
    ]
    for (const [memory, passes, outdated] of table)
      t.equal(hashing.isOutdated(made(memory, passes)), outdated, `m=${memory}, t=${passes}`)
    t.equal(hashing.isOutdated(await makeHashing(OWASP).hash('x')), true)
  },
)

t.test('beyond the queue the answer is Busy, at once, and what is in it is done', async (t) => {
  const hashing = makeHashing(QUICK)
  const results = await Promise.allSettled(Array.from({ length: 500 }, () => hashing.hash('x')))
  const refused = results.filter((result) => result.status === 'rejected')
  t.ok(refused.every(({ reason }) => reason instanceof Busy))
  t.ok(
    Math.abs(refused.length - (500 - 2 - 200)) <= 2,
    `${refused.length} of 500 were refused: two at work, 200 waiting`,
  )
  t.ok(
    results.slice(0, 200).every(({ status }) => status === 'fulfilled'),
    'the first come first',
  )
  await t.rejects(Promise.all(Array.from({ length: 500 }, () => hashing.verify(null, 'x'))), Busy)
  await eventually(() => hashing.hash('x'), { within: 10_000 })
})

t.test('hashes at work never take more memory than the budget, however many processors there are', async (t) => {
  const hashing = makeHashing({ memoryKib: 128 * 1024, passes: 2, lanes: 1, processors: 8 })
  const before = process.memoryUsage.rss()
  let peak = before
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 2)
  t.teardown(() => clearInterval(watch))
  await Promise.allSettled(Array.from({ length: 6 }, () => hashing.hash('x'))) // on a busy machine the last ones are refused
  const mib = (peak - before) / 2 ** 20
  t.ok(mib > 100 && mib < 256 + 64, `${mib.toFixed()} MiB at most`)
})

t.test('to find nobody takes as long as to find a wrong password', async (t) => {
  const hashing = makeHashing(OWASP)
  const hash = await hashing.hash('right')
  await hashing.verify(null, 'warm up')
  const [[nobody = 0] = [], [somebody = 1] = []] = await timesOf(hashing, [null, hash], 15)
  const ratio = nobody / somebody
  t.ok(ratio > 0.5 && ratio < 2, `at best ${nobody.toFixed(1)} and ${somebody.toFixed(1)} ms`)
})

/** How much processor time each hash takes to say no, in turn, least first. */
async function timesOf(hashing: Hashing, hashes: (string | null)[], count: number): Promise<number[][]> {
  const times: number[][] = hashes.map(() => [])
  for (let turn = 0; turn < count; turn += 1) {
    for (const [place, hash] of hashes.entries()) {
      times[place]?.push(await processorTime(() => hashing.verify(hash, 'wrong')))
    }
  }
  return times.map((some) => some.toSorted((a, b) => a - b))
}
