import { once } from 'node:events'
import { Agent, createServer, request as ask } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { Unknown } from '@latchkey/verify'
import { requireToken } from '@latchkey/verify/node'
import { openHome } from '../support/home.ts'
import { startProxy } from '../support/proxy.ts'
import { eventually } from '../support/settle.ts'
import { type Answering, knownOutcomeOf, listen, outcomeOf, saying, verifierAt } from './issuer.ts'

// Strict: the service is asked at each request, and only what it says itself counts.

/** Its tokens outlive the tests before these: the verifier goes by the time of the machine. */
const home = await openHome({ ACCESS_TTL: '1h', SESSION_IDLE: '2h' })
const url = await home.app.listen({ host: '127.0.0.1', port: 0 })
t.teardown(home.close)
const NAMES = { issuer: 'http://localhost:3000', audience: 'http://localhost:3000', freshness: 'strict' as const }
const jwks = (await home.call('GET', '/.well-known/jwks.json')).body

const PROBLEM = { 'content-type': 'application/problem+json' }
const problem = (status: number, code: string) => ({
  type: `urn:problem-type:latchkey:${code}`,
  title: code,
  status,
  code,
})
const logout = (refresh_token: string) => home.call('POST', '/v1/logout', { body: { refresh_token } })

/** A verifier whose keys come from the service's JWKS, and whose questions are answered as told. */
async function answeredBy(t: Test, answering: Answering) {
  const service = await listen(t, (request, response) =>
    request.url === '/.well-known/jwks.json' ? saying(200, jwks)(request, response) : answering(request, response),
  )
  const verifier = verifierAt(t, service.url, NAMES)
  await verifier.ready()
  return { verifier, questions: () => service.heard.filter((path) => path === '/v1/verify').length }
}

const me = await home.newcomer()
const token = me.access_token

t.test('a live token lets in; one that is revoked is refused at the next request, in any spelling', async (t) => {
  const verifier = verifierAt(t, url, NAMES)
  const you = await home.newcomer()
  for (let times = 0; times < 3; times += 1)
    t.equal(await knownOutcomeOf(() => verifier.verify(you.access_token)), 'ok')
  await logout(you.refresh_token)
  t.equal(await knownOutcomeOf(() => verifier.verify(you.access_token)), '401 token_revoked')
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (const last of alphabet) {
    const outcome = await knownOutcomeOf(() => verifier.verify(you.access_token.slice(0, -1) + last))
    t.match(outcome, /^401 token_(?:revoked|invalid)$/, last)
  }
  const bySignature = verifier.verify(you.access_token, { freshness: 'signature' })
  t.equal(await outcomeOf(bySignature), 'ok', 'by its signature it is good')
})

t.test('a junk token is refused without a question', async (t) => {
  const { verifier, questions } = await answeredBy(t, saying(500, 'no'))
  t.equal(await outcomeOf(verifier.verify(`${token.slice(0, -8)}AAAAAAAA`)), '401 token_invalid')
  t.equal(await outcomeOf(verifier.verify('junk')), '401 token_invalid')
  t.equal(questions(), 0)
})

const outages: Record<string, Answering> = {
  'a 503 of the service': saying(503, problem(503, 'store_unavailable'), { ...PROBLEM, 'retry-after': '7' }),
  'a 500': saying(500, problem(500, 'internal'), PROBLEM),
  'a 429 of a proxy': saying(429, problem(429, 'too_many_requests'), PROBLEM),
  'a 401 of a proxy in HTML': saying(401, '<h1>401 Authorization Required</h1>', { 'content-type': 'text/html' }),
  'a 401 of a proxy in JSON': saying(401, { error: 'unauthorized', code: 'token_invalid' }),
  'a problem of somebody else': saying(401, problem(401, 'bad_signature'), PROBLEM),
  'a 401 to which the token did not come': saying(401, problem(401, 'no_token'), PROBLEM),
  'a problem without a code': saying(401, { status: 401 }, PROBLEM),
  'a problem that is null': saying(401, 'null', PROBLEM),
  'a problem that breaks off': saying(401, '{"code": "token_inv', PROBLEM),
  'a 403 of a firewall': saying(403, '<h1>Blocked</h1>', { 'content-type': 'text/html' }),
  'a 404': saying(404, problem(404, 'not_found'), PROBLEM),
  '200 with HTML': saying(200, '<title>Log in to our network</title>', { 'content-type': 'text/html' }),
  '200 with JSON': saying(200, { active: true }),
  'a redirect to a login': saying(302, '', { location: 'https://login.example/' }),
  'a 204 of a captive portal': (_request, response) => void response.writeHead(204).end(),
  'a 204 about somebody else': (_request, response) => void response.writeHead(204, { 'x-auth-subject': 'eve' }).end(),
  'no answer': (_request, response) => void response.destroy(),
  'half an answer': (_request, response) => {
    response.writeHead(401, { ...PROBLEM, 'content-length': 999 }).write('{"code":')
  },
}

for (const [outage, answering] of Object.entries(outages)) {
  t.test(`${outage} is nobody's refusal: Unknown`, async (t) => {
    const { verifier } = await answeredBy(t, answering)
    const began = performance.now()
    const error = await verifier.verify(token).catch((each: unknown) => each)
    t.match(error, { name: 'Unknown', status: 503, retryAfter: Number })
    t.ok(performance.now() - began < 5000, 'within its time')
    t.equal(verifier.status().questions, 0)
  })
}

t.test('a token goes to the service and nowhere else: a redirect is not followed', async (t) => {
  const elsewhere = await listen(t, (_request, response) => {
    response.writeHead(204, { 'x-auth-subject': me.user.id }).end()
  })
  const { verifier } = await answeredBy(t, saying(307, '', { location: `${elsewhere.url}/v1/verify` }))
  t.equal(await outcomeOf(verifier.verify(token)), '503')
  t.strictSame(elsewhere.heard, [])
})

t.test('when the service says that it cannot know, it also says when to ask again', async (t) => {
  const waits = { '7': 7, '0': 1, '86400': 60, 'Sat, 28 Nov 2026 00:00:00 GMT': 1, '-1': 1 }
  for (const [header, seconds] of Object.entries(waits)) {
    const { verifier } = await answeredBy(t, saying(503, problem(503, 'busy'), { ...PROBLEM, 'retry-after': header }))
    const waited = async () => ((await verifier.verify(token).catch((each: unknown) => each)) as Unknown).retryAfter
    t.ok(await eventually(async () => (await waited()) === seconds, { within: 5000 }), header)
  }
})

t.test('what the service itself says of a token is passed on', async (t) => {
  const sayings = { token_revoked: 401, token_expired: 401, token_invalid: 401, insufficient: 403 }
  for (const [code, status] of Object.entries(sayings)) {
    const { verifier } = await answeredBy(t, saying(status, problem(status, code), PROBLEM))
    t.equal(await knownOutcomeOf(() => verifier.verify(token)), `${status} ${code}`)
  }
  const { verifier } = await answeredBy(t, saying(403, problem(403, 'step_up_required'), PROBLEM))
  t.equal(await knownOutcomeOf(() => verifier.verify(token)), '401 step_up_required', 'as where a route demands it')
})

t.test('a service that is frozen, killed or slow is Unknown in time, and asked again when it is back', async (t) => {
  const proxy = await startProxy(Number(new URL(url).port))
  t.teardown(proxy.stop)
  const verifier = verifierAt(t, `http://127.0.0.1:${proxy.port}`, NAMES)
  await verifier.ready()
  const faults = { frozen: proxy.freeze, killed: proxy.cut, slow: () => proxy.delay(1000) }
  for (const [fault, begin] of Object.entries(faults)) {
    t.equal(await knownOutcomeOf(() => verifier.verify(token)), 'ok')
    await begin()
    const began = performance.now()
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => outcomeOf(verifier.verify(token))))
    t.strictSame(new Set(outcomes), new Set(['503']), fault)
    t.ok(performance.now() - began < 5000, `${fault}: in time`)
    const bySignature = verifier.verify(token, { freshness: 'signature' })
    t.equal(await outcomeOf(bySignature), 'ok', 'a signature needs nobody')
    await proxy.pass()
    t.equal(await knownOutcomeOf(() => verifier.verify(token)), 'ok')
  }
})

t.test('requests with one token that start before it is sent share a question; later ones ask their own', async (t) => {
  const { verifier, questions } = await answeredBy(t, () => {})
  await verifier.verify(token, { freshness: 'signature' })
  const first = Array.from({ length: 100 }, () => outcomeOf(verifier.verify(token)))
  await eventually(() => questions() === 1, { within: 5000 })
  const later = outcomeOf(verifier.verify(token))
  await eventually(() => questions() === 2, { within: 5000 })
  t.strictSame(new Set(await Promise.all([...first, later])), new Set(['503']), 'it has not answered')
  t.equal(questions(), 2)
})

t.test('256 questions at once, and then Unknown without a wait', async (t) => {
  const { verifier } = await answeredBy(t, () => {})
  const { refresh_token } = await home.newcomer()
  const tokens: string[] = []
  while (tokens.length < 258)
    tokens.push((await home.call('POST', '/v1/refresh', { body: { refresh_token } })).body.access_token)
  await Promise.all(tokens.map((each) => verifier.verify(each, { freshness: 'signature' })))
  const outcomes = tokens.map((each) => outcomeOf(verifier.verify(each)))
  t.strictSame(await Promise.all(outcomes.slice(256)), ['503', '503'])
  t.equal(verifier.status().questions, 256)
  await Promise.all(outcomes)
  t.equal(verifier.status().questions, 0, 'and all are free again')
})

t.test('a token that is revoked between two requests of one connection is refused at the second', async (t) => {
  const guard = requireToken(verifierAt(t, url, NAMES))
  const server = createServer(guard((_request, response, { sub }) => void response.end(sub)))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const you = await home.newcomer()
  const get = async () => {
    const { port } = server.address() as AddressInfo
    const sent = ask({ port, agent, headers: { authorization: `Bearer ${you.access_token}` } }).end()
    const [response] = await once(sent, 'response')
    response.resume()
    await once(response, 'end')
    return response.statusCode === 503 ? null : { status: response.statusCode, isSameConnection: sent.reusedSocket }
  }
  t.match(await eventually(get, { within: 20_000 }), { status: 200 })
  await logout(you.refresh_token)
  t.match(await eventually(get, { within: 20_000 }), { status: 401, isSameConnection: true })
})
