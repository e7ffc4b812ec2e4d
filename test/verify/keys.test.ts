import t from 'tap'
import { jwksOf, listen, makePair, outcomeOf, saying, verifierAt } from './issuer.ts'

// The keys that a verifier has, when it fetches them again, and what it says meanwhile.

const [old, next] = [await makePair('old'), await makePair('next')]
const token = await old.issue()
const HTML = '<!doctype html><title>Welcome to our wireless network</title>'
const MANY = { keys: Array.from({ length: 10_000 }, (_, at) => ({ ...old.jwk, kid: `k${at}` })) }

/** A clock that a test turns. */
const makeClock = () => {
  const clock = () => clock.now
  clock.now = Date.now()
  return clock
}

const faults = {
  'is down': saying(500, 'no'),
  'is missing': saying(404, { keys: [] }),
  'is a redirect': saying(302, '', { location: 'https://login.example/' }),
  'is HTML with 200': saying(200, HTML, { 'content-type': 'text/html' }),
  'is JSON of another kind': saying(200, { hello: 'world' }),
  'is null': saying(200, 'null'),
  'is empty': saying(200, { keys: [] }),
  'holds no key to verify by': saying(200, { keys: [{ kty: 'oct', kid: 'old', alg: 'HS256', k: 'c2VjcmV0' }] }),
  'holds a secret under the name of a key': saying(200, {
    keys: [{ kty: 'oct', kid: 'old', alg: 'ES256', k: 'c2VjcmV0' }],
  }),
  'holds keys of no kind': saying(200, { keys: [{ kid: 'new' }, { kid: 'constructor', alg: 'constructor' }] }),
  'holds 10,000 keys': saying(200, MANY),
  'breaks off': (_request: unknown, response: { destroy: () => void }) => response.destroy(),
}

for (const [fault, answering] of Object.entries(faults)) {
  t.test(
    `a JWKS that ${fault}: a verifier that has no keys says 503, one that has them goes on for an hour`,
    async (t) => {
      const clock = makeClock()
      const issuer = await listen(t, answering)
      const verifier = verifierAt(t, issuer.url, { clock })
      t.match(await verifier.verify(token).catch((error: unknown) => error), {
        name: 'Unknown',
        status: 503,
        retryAfter: 5,
      })
      await t.rejects(verifier.ready(), { name: 'Unknown' })
      t.equal(issuer.heard.length, 1, 'nobody asks again at once')
      t.match(verifier.status(), { keys: 0, fetchedAt: null, fault: /./ })

      clock.now += 5000
      issuer.answering = jwksOf([old])
      await verifier.ready()
      t.match(verifier.status(), { keys: 1, fetchedAt: clock.now, fault: null })

      issuer.answering = answering
      const lasting = await old.issue({ exp: Math.floor(clock.now / 1000) + 7200 })
      for (let minutes = 0; minutes < 60; minutes += 5) {
        t.equal(await outcomeOf(verifier.verify(lasting)), 'ok', `after ${minutes} minutes`)
        clock.now += 300_000
      }
      t.equal(await outcomeOf(verifier.verify(lasting)), '503', 'after an hour')
    },
  )
}

t.test('a JWKS that is slow is waited for 1.5 s, by all together, and by nobody who has keys', async (t) => {
  const clock = makeClock()
  const issuer = await listen(t, () => {})
  const verifier = verifierAt(t, issuer.url, { clock })
  const began = performance.now()
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => outcomeOf(verifier.verify(token))))
  const ms = performance.now() - began
  t.strictSame(new Set(outcomes), new Set(['503']))
  t.ok(ms > 1400 && ms < 10_000, `${ms} ms`)
  t.equal(issuer.heard.length, 1)

  clock.now += 5000
  issuer.answering = jwksOf([old])
  await verifier.ready()
  const lasting = await old.issue({ exp: Math.floor(clock.now / 1000) + 7200 })
  issuer.answering = saying(500, 'no')
  clock.now += 601_000
  t.equal(await outcomeOf(verifier.verify(lasting)), 'ok')
  issuer.answering = () => {}
  clock.now += 5000
  const hurried = performance.now()
  t.equal(await outcomeOf(verifier.verify(lasting)), 'ok')
  t.ok(performance.now() - hurried < 1400, 'the last fetch had failed: this one is made meanwhile')
})

t.test('an answer that never ends is no answer, and is not read for ever', async (t) => {
  const issuer = await listen(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).write('{"keys": [')
    const timer = setInterval(() => response.write(' '.repeat(65_536)), 1)
    response.once('close', () => clearInterval(timer))
  })
  const verifier = verifierAt(t, issuer.url)
  t.match(await verifier.verify(token).catch((error: unknown) => error), { name: 'Unknown' })
  t.match(verifier.status().fault, 'could not be read')
})

t.test('keys are kept for max-age, which is held between a minute and ten', async (t) => {
  const ages = { 'max-age=1': 60, 'public, max-age=300': 300, 'max-age=86400': 600, 'no-store': 60, 's-maxage=90': 60 }
  for (const [control, seconds] of Object.entries(ages)) {
    const clock = makeClock()
    const issuer = await listen(t, jwksOf([old], { 'cache-control': control }))
    const verifier = verifierAt(t, issuer.url, { clock })
    await verifier.ready()
    clock.now += seconds * 1000 - 1
    await verifier.ready()
    t.equal(issuer.heard.length, 1, control)
    clock.now += 1
    await Promise.all([verifier.ready(), verifier.ready(), verifier.verify(token).catch(() => {})])
    t.equal(issuer.heard.length, 2, `${control}: again, once for all`)
  }
})

t.test('10,000 made-up names of keys are 401, and cause one fetch in five seconds', async (t) => {
  const clock = makeClock()
  const issuer = await listen(t, jwksOf([old]))
  const verifier = verifierAt(t, issuer.url, { clock })
  await verifier.ready()
  const [, payload, signature] = token.split('.')
  const made = (at: number) => {
    const header = Buffer.from(JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid: `made-up-${at}` }))
    return `${header.toString('base64url')}.${payload}.${signature}`
  }
  const outcomes = new Set<string>()
  for (let at = 0; at < 10_000; at += 250) {
    const batch = Array.from({ length: 250 }, (_, place) => outcomeOf(verifier.verify(made(at + place))))
    for (const outcome of await Promise.all(batch)) outcomes.add(outcome)
  }
  t.strictSame(outcomes, new Set(['401 token_invalid']))
  t.equal(issuer.heard.length, 2, 'the first fetch, and one for all of them')
  t.equal(await outcomeOf(verifier.verify(token)), 'ok')
  t.equal(verifier.status().tokens, 1, 'and none of them is remembered')
  clock.now += 5000
  t.equal(await outcomeOf(verifier.verify(made(1))), '401 token_invalid')
  t.equal(issuer.heard.length, 3)
})

t.test('a key that is not known is 401 after a fetch that succeeded, 503 after one that failed', async (t) => {
  const clock = makeClock()
  const issuer = await listen(t, jwksOf([old]))
  const verifier = verifierAt(t, issuer.url, { clock })
  await verifier.ready()
  issuer.answering = saying(503, 'no')
  const newer = await next.issue()
  t.equal(await outcomeOf(verifier.verify(newer)), '503')
  t.equal(await outcomeOf(verifier.verify(newer)), '503', 'and in the pause after it')
  t.equal(await outcomeOf(verifier.verify(token)), 'ok', 'what is known is known')
  issuer.answering = jwksOf([old])
  clock.now += 5000
  t.equal(await outcomeOf(verifier.verify(newer)), '401 token_invalid')
  issuer.answering = jwksOf([old, next])
  clock.now += 5000
  t.equal(await outcomeOf(verifier.verify(newer)), 'ok')
})

t.test('the keys rotate under load, without a word before: no honest token is refused', async (t) => {
  const issuer = await listen(t, jwksOf([old]))
  const verifier = verifierAt(t, issuer.url)
  await verifier.ready()
  const pairs = await Promise.all(['a', 'b', 'c'].map(makePair))
  const outcomes = new Map<string, number>()
  const tokens = [token]
  const over = new AbortController()
  const load = async (seed: number) => {
    for (let at = seed; !over.signal.aborted; at += 1) {
      const outcome = await outcomeOf(verifier.verify(tokens[at % tokens.length] as string))
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      await new Promise(setImmediate)
    }
  }
  const clients = Array.from({ length: 20 }, (_, seed) => load(seed))
  for (const [at, pair] of pairs.entries()) {
    issuer.answering = jwksOf([old, ...pairs.slice(0, at + 1)])
    tokens.push(...(await Promise.all(Array.from({ length: 50 }, () => pair.issue()))))
    await Promise.all(tokens.slice(-50).map((each) => verifier.verify(each)))
  }
  over.abort()
  await Promise.all(clients)
  t.strictSame([...outcomes.keys()], ['ok'])
  t.equal(issuer.heard.length, 4, 'one fetch for each key that was met')
})

t.test('a key that the issuer withdraws lets nobody in any more, also by a token that was met before', async (t) => {
  const clock = makeClock()
  const issuer = await listen(t, jwksOf([old, next]))
  const verifier = verifierAt(t, issuer.url, { clock })
  t.equal(await outcomeOf(verifier.verify(token)), 'ok')
  issuer.answering = jwksOf([next])
  clock.now += 60_000
  t.equal(await outcomeOf(verifier.verify(token)), '401 token_invalid')
  issuer.answering = jwksOf([{ ...old, jwk: { ...next.jwk, kid: 'old' } }])
  clock.now += 60_000
  t.equal(await outcomeOf(verifier.verify(token)), '401 token_invalid', 'nor does another key of its name')
})

t.test('a clock that is set back by a day does not keep old keys', async (t) => {
  const clock = makeClock()
  const issuer = await listen(t, jwksOf([old]))
  const verifier = verifierAt(t, issuer.url, { clock })
  await verifier.ready()
  clock.now -= 86_400_000
  await verifier.ready()
  t.equal(issuer.heard.length, 2)
})

t.test('who is closed breaks off what is under way, and knows nothing', async (t) => {
  const issuer = await listen(t, () => {})
  const verifier = verifierAt(t, issuer.url)
  const began = performance.now()
  const waiting = outcomeOf(verifier.verify(token))
  await new Promise(setImmediate)
  verifier.close()
  t.equal(await waiting, '503')
  t.ok(performance.now() - began < 1400)
  t.equal(await outcomeOf(verifier.verify(token)), '503')
})
