import { once } from 'node:events'
import { watch } from 'node:fs'
import { link, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { Agent, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { keepAuthSecret } from '../../src/store/lmdb/auth-secret-file.ts'
import { startChild } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { NO_LIMITS, type Newcomer, TEST_SECRET } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'
import { makeNames } from '../support/names.ts'
import { type Service, type ServiceOptions, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'

// How a process comes, goes, and refuses to come.

const ISSUER = 'http://localhost:3000'
const PASSWORD = 'seven red bicycles in the rain'
const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))

type Env = Record<string, string>
type Tokens = Pick<Newcomer, 'access_token' | 'refresh_token' | 'session_id'>

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-life-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

const REAL: ServiceOptions = { command: [process.execPath, MAIN] }
/** An instance whose hashes cost next to nothing. */
const CHEAP: ServiceOptions = {}

async function start(t: Test, env: Env, options = REAL): Promise<Service> {
  const service = await startService({ ISSUER, ...NO_LIMITS, ...env }, options)
  t.teardown(service.kill)
  return service
}

async function redisEnv(t: Test): Promise<Env> {
  const redis = await startRedis()
  t.teardown(redis.stop)
  return { REDIS_URL: redis.url, AUTH_SECRET: TEST_SECRET }
}

/** Runs main with exactly these variables until it exits. */
async function run(env: Env, ...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = startChild([process.execPath, MAIN, ...args], { PATH: process.env['PATH'], ...env })
  const code = await child.exited
  return { code, output: child.lines().join('\n') }
}

let addresses = 0

async function register(at: Pick<Service, 'call'>): Promise<Newcomer> {
  const email = `life-${process.pid}-${(addresses += 1)}@example.org`
  const send = () => at.call('POST', '/v1/register', { body: { email, password: PASSWORD } })
  const answer = await eventually(
    async () => {
      const sent = await send()
      return sent.status !== 503 && sent
    },
    { within: 5000 },
  )
  if (answer.status !== 201) throw new Error(`register: ${answer.status}`)
  return { email, password: PASSWORD, ...answer.body }
}

const kidOf = ({ access_token }: Pick<Tokens, 'access_token'>): string =>
  JSON.parse(Buffer.from(access_token.split('.')[0] ?? '', 'base64url').toString()).kid

t.test(
  'a process told to stop says so first, finishes what it has begun, and exits 0 within ten seconds',
  async (t) => {
    const service = await start(t, { DATA_DIR: await folder(t), ARGON2_PASSES: '8' })
    const me = await register(service)
    const login = () => service.call('POST', '/v1/login', { body: { email: me.email, password: PASSWORD } })
    const told = performance.now()
    const early = login()
    const exited = service.stop('SIGTERM')
    const ready = await eventually(
      async () => {
        const answer = await service.call('GET', '/readyz')
        return answer.status === 503 && answer
      },
      { within: 1000 },
    )
    t.match(ready.body, { status: 'unavailable', reasons: ['the process is stopping'] })
    const live = await service.call('GET', '/livez')
    t.equal(live.status, 200)
    t.equal(live.headers.get('connection'), 'close', 'clients are told to connect elsewhere')
    t.equal((await service.call('GET', '/v1/verify', { token: me.access_token })).status, 204, 'it still serves')
    t.equal((await early).status, 200)

    // From now on somebody connects every 150 ms until nobody listens: each who was let in gets an answer.
    const outcomes: Promise<number | string>[] = []
    const isRefused = async () => (await Promise.race([outcomes.at(-1), sleep(50, 0)])) === 'ECONNREFUSED'
    while (!(await isRefused()) && performance.now() - told < 12_000) {
      outcomes.push(
        login().then(
          ({ status }) => status,
          (error: Error) => codeOf(error),
        ),
      )
      await sleep(100)
    }
    const counts = countBy(await Promise.all(outcomes))
    t.ok((counts.get(200) ?? 0) > 10, 'logins went through while it was draining')
    t.strictSame(
      [...counts.keys()].filter((outcome) => ![200, 503, 'ECONNREFUSED'].includes(outcome)),
      [],
      'none was cut off',
    )
    t.equal(await exited, 0)
    t.equal(service.events('login.succeeded').length, 1 + (counts.get(200) ?? 0), 'whatever was done was answered')
    t.ok(performance.now() - told < 10_000)
  },
)

/** What the instances say of the requests they have failed. */
function failuresIn(services: readonly Service[]): string[] {
  const lines = services.flatMap((service) => service.lines().filter((line) => line.includes('request failed')))
  return lines.map(
    (line) =>
      `${JSON.parse(line).time} ${JSON.stringify(JSON.parse(line).err.cause?.message ?? JSON.parse(line).err.message)}`,
  )
}

function codeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return String((cause as NodeJS.ErrnoException).code ?? cause)
}

function countBy<T>(items: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>()
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1)
  return counts
}

t.test('SIGINT stops at once, with exit code 0', async (t) => {
  const service = await start(t, { DATA_DIR: await folder(t) })
  const told = performance.now()
  t.equal(await service.stop('SIGINT'), 0)
  t.ok(performance.now() - told < 2500)
})

t.test('what it was asked when it is told to stop is answered, and the connection given up', async (t) => {
  const service = await start(t, { DATA_DIR: await folder(t) })
  const me = await register(service)
  const body = JSON.stringify({ email: me.email, password: PASSWORD })
  const socket = connect(service.port, '127.0.0.1')
  const head = `POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`
  socket.write(`${head}\r\n\r\n${body.slice(0, 9)}`)
  await once(socket, 'connect')
  const told = performance.now()
  const exited = service.stop('SIGINT')
  await eventually(() => service.lines().some((line) => line.includes('stopping')), { within: 2000 })
  socket.write(body.slice(9))
  t.match(await text(socket), /^HTTP\/1\.1 (200|503) (?=[^]*\r\nconnection: close\r\n)/i)
  t.equal(await exited, 0)
  t.ok(performance.now() - told < 4900, 'sooner than what still runs is cut off')
})

t.test('of the addresses of HOST it listens on one', async (t) => {
  const names = await makeNames()
  t.teardown(names.stop)
  await names.point('localhost', '::1', '127.0.0.1')
  const service = await start(t, { DATA_DIR: await folder(t), HOST: 'localhost', ...names.env })
  const other = connect(service.port, '::1')
  await t.rejects(once(other, 'connect'))
  t.equal((await service.call('GET', '/livez')).status, 200)
})

t.test('whoever has connected when it stops may still ask; who goes on saying nothing is not waited for', async (t) => {
  const service = await start(t, { DATA_DIR: await folder(t) })
  const [late, mute] = [connect(service.port, '127.0.0.1'), connect(service.port, '127.0.0.1')]
  await Promise.all([once(late, 'connect'), once(mute, 'connect')])
  const hungUp = once(mute.resume(), 'close')
  const told = performance.now()
  const exited = service.stop('SIGINT')
  const isRefused = () =>
    service.call('GET', '/livez').then(
      () => false,
      (error: unknown) => codeOf(error) === 'ECONNREFUSED',
    )
  await eventually(isRefused, { within: 2000 })
  service.freeze()
  late.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await sleep(1100) // longer than silence is borne
  service.thaw()
  t.match(await text(late), /^HTTP\/1\.1 (200|503) /, 'even if the process is held up just then')
  await hungUp
  t.equal(await exited, 0)
  t.ok(performance.now() - told < 5000)
})

t.test(
  'whoever was let in by the kernel when it stops is answered, though the process had no time for them yet',
  async (t) => {
    const service = await start(t, { DATA_DIR: await folder(t) })
    service.freeze()
    const waiting = Array.from({ length: 8 }, () => connect(service.port, '127.0.0.1'))
    await Promise.all(waiting.map((socket) => once(socket, 'connect')))
    for (const socket of waiting) socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const exited = service.stop('SIGINT')
    for (const answer of await Promise.all(waiting.map(text))) t.match(answer, /^HTTP\/1\.1 (200|503) /)
    t.equal(await exited, 0)
  },
)

type Reply = { readonly status: number; readonly body: any }

/** A plain round robin over ports, which knows nothing of health and asks the next one once when a connection fails. */
function roundRobin(ports: readonly number[]) {
  const agents = ports.map(() => new Agent({ keepAlive: true }))
  let turn = 0
  let retries = 0

  function send(
    index: number,
    method: string,
    path: string,
    { token, body }: { token?: string; body?: unknown },
  ): Promise<Reply> {
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    return new Promise((resolve, reject) => {
      const sent = httpRequest(
        { port: ports[index], method, path, headers, agent: agents[index] as Agent },
        (answer) => {
          let text = ''
          answer.on('data', (chunk: Buffer) => (text += chunk.toString()))
          answer.on('end', () =>
            resolve({ status: answer.statusCode ?? 0, body: text === '' ? null : JSON.parse(text) }),
          )
          answer.on('error', reject)
        },
      )
      sent.on('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  return {
    async call(method: string, path: string, what: { token?: string; body?: unknown } = {}): Promise<Reply> {
      const index = turn++ % ports.length
      return send(index, method, path, what).catch(() => {
        retries += 1
        return send((index + 1) % ports.length, method, path, what)
      })
    },
    retries: () => retries,
    close: () => agents.forEach((agent) => agent.destroy()),
  }
}

t.test('a rolling restart of three', { jobs: 2 }, async (t) => {
  const on = (store: 'Redis' | 'LMDB') =>
    t.test(`on one ${store} loses no request of clients who try twice`, { buffered: true }, async (t) => {
      const env = store === 'Redis' ? await redisEnv(t) : { DATA_DIR: await folder(t) }
      const fleet = await Promise.all([1, 2, 3].map(() => start(t, env, CHEAP)))
      const balancer = roundRobin(fleet.map(({ port }) => port))
      t.teardown(balancer.close)
      const unwanted: string[] = []
      const restarted: Service[] = []
      let answers = 0
      const over = new AbortController()

      async function ask(
        method: string,
        path: string,
        what: { token?: string; body?: unknown },
        wanted: number,
      ): Promise<any> {
        const reply = await balancer
          .call(method, path, what)
          .catch((error: unknown) => ({ status: codeOf(error), body: {} }))
        answers += 1
        if (reply.status !== wanted) unwanted.push(`${method} ${path}: ${reply.status} ${reply.body?.code ?? ''}`)
        return reply.body
      }

      /** A client that refreshes, calls and keeps a counter in its session; each change it was told of must be there. */
      async function client(me: Newcomer): Promise<void> {
        let tokens: Tokens = me
        for (let visits = 1; !over.signal.aborted; visits += 1) {
          await ask('GET', '/v1/verify', { token: tokens.access_token }, 204)
          const data = await ask('PATCH', '/v1/session/data', { token: tokens.access_token, body: { visits } }, 200)
          if (data.visits !== undefined && data.visits !== visits)
            unwanted.push(`visits: ${data.visits} instead of ${visits}`)
          const next = await ask('POST', '/v1/refresh', { body: { refresh_token: tokens.refresh_token } }, 200)
          if (next?.refresh_token) tokens = next
          await sleep(10)
        }
      }

      async function visitors(email: string): Promise<void> {
        while (!over.signal.aborted) {
          const { access_token } = await ask('POST', '/v1/login', { body: { email, password: PASSWORD } }, 200)
          await ask('POST', '/v1/logout', { token: access_token, body: {} }, 204)
          await ask('GET', '/v1/verify', { token: access_token }, 401)
          await sleep(10)
        }
      }

      const people = await Promise.all(Array.from({ length: 8 }, (_, turn) => register(fleet[turn % 3] as Service)))
      const load = [...people.map(client), visitors(people[0]?.email ?? '')]
      for (const service of fleet) {
        t.equal(await service.stop('SIGTERM'), 0)
        restarted.push(await start(t, { ...env, PORT: String(service.port) }, CHEAP))
      }
      over.abort()
      await Promise.all(load)
      for (const failure of failuresIn([...fleet, ...restarted])) t.comment(failure)
      t.strictSame([...countBy(unwanted)], [], `of ${answers} answers, with ${balancer.retries()} second tries`)
      t.ok(answers > 500)
      t.ok(balancer.retries() > 0, 'the restart was felt, or this shows nothing')
    })
  await Promise.all([on('Redis'), on('LMDB')])
})

// Every value holds the word: were any of them printed, it would be seen.
const CANARY = 'tweety'
const BAD: Env = {
  PORT: `${CANARY}80`,
  REDIS_URL: `http://:${CANARY}@${CANARY}`,
  AUTH_SECRET: `${CANARY}-too-short`,
  ISSUER: `${CANARY}:no-url`,
  JWT_ALG: `none-${CANARY}`,
  KEY_ROTATION: `30 ${CANARY}`,
  ACCESS_TTL: `-5m${CANARY}`,
  REFRESH_GRACE: `10 s ${CANARY}`,
  SESSION_IDLE: `${CANARY}m`,
  SESSION_ABSOLUTE: `24${CANARY}`,
  REMEMBER_IDLE: `14D${CANARY}`,
  REMEMBER_ABSOLUTE: `1e3d${CANARY}`,
  SESSION_MAX: `50${CANARY}`,
  PASSWORD_MIN_LENGTH: `0x0f${CANARY}`,
  ARGON2_MEMORY_KIB: `19456${CANARY}`,
  ARGON2_PASSES: `2${CANARY}`,
  ARGON2_LANES: `${CANARY}1`,
  TRUST_PROXY: `1, ${CANARY}`,
  ALLOWED_ORIGINS: `https://${CANARY}.example.org/path`,
  COOKIE_DOMAIN: `-${CANARY}.`,
  LIMIT_REGISTER: `20${CANARY}`,
  LIMIT_LOGIN: `30/${CANARY}`,
  LIMIT_REFRESH: `${CANARY}/1m`,
  LIMIT_API: `600/1m/${CANARY}?`,
  LIMIT_FAILURES: `-1/15m${CANARY}`,
  LIMIT_ACCOUNT_FAILURES: `100 per hour ${CANARY}`,
  LOG_LEVEL: `loud-${CANARY}`,
}

t.test(
  'with bad settings it does not start, and says once which variables are at fault, without a value',
  async (t) => {
    const { code, output } = await run(BAD)
    t.ok(code !== 0 && code !== null, `exit code ${code}`)
    for (const name of Object.keys(BAD)) t.match(output, new RegExp(`\\b${name}\\b`))
    t.notMatch(output.toLowerCase(), CANARY)
    t.equal(output.match(/cannot start/g)?.length, 1, 'one message')
    t.notMatch(output, /^\s+at .*:\d+/m, 'no stack trace')
  },
)

t.test('a setting that is out of its bounds or missing stops the start', async (t) => {
  const dir = await folder(t)
  const wrong: readonly (readonly [string, Env])[] = [
    ['AUTH_SECRET is required .* make one: node -p', { REDIS_URL: 'redis://127.0.0.1:1' }],
    ['ARGON2_MEMORY_KIB', { ARGON2_MEMORY_KIB: '19455' }],
    ['TRUST_PROXY', { TRUST_PROXY: '1' }],
    ['AUTH_SECRET', { AUTH_SECRET: Buffer.from('change-me-change-me-change-me-change-me').toString('base64url') }],
  ]
  for (const [name, env] of wrong) {
    const { code, output } = await run({ DATA_DIR: dir, PORT: '0', ...env })
    t.equal(code, 1)
    t.match(output, new RegExp(`^ +${name} `, 'm'))
    t.equal(output.match(/^ +[A-Z_0-9]+ /gm)?.length, 1, `only ${name} is at fault`)
  }
})

t.test('an unknown command and a port in use are said in a message and end with an exit code', async (t) => {
  const usage = await run({ DATA_DIR: await folder(t), PORT: '0' }, 'frobnicate')
  t.equal(usage.code, 1)
  t.match(usage.output, 'Usage')
  const { port } = await start(t, { DATA_DIR: await folder(t) })
  const second = await run({ DATA_DIR: await folder(t), PORT: String(port) })
  t.equal(second.code, 1)
  t.match(second.output, /^HOST, PORT: .*EADDRINUSE/)
})

t.test('what the system refuses is told in one line that names the variable', async (t) => {
  const dir = await folder(t)
  const file = join(dir, 'file')
  await writeFile(file, '')
  const { mode } = await stat(file)
  const refused: readonly (readonly [RegExp, Env])[] = [
    [/^HOST, PORT: getaddrinfo /, { HOST: 'nobody..invalid' }],
    [/^HOST, PORT: listen EADDRNOTAVAIL/, { HOST: '192.0.2.1' }],
    [/^DATA_DIR: EEXIST/, { DATA_DIR: file }],
    [/^DATA_DIR: ENOTDIR/, { DATA_DIR: join(file, 'below', 'it') }],
    [/^DATA_DIR: ENOENT/, { DATA_DIR: '/proc/latchkey/data' }],
  ]
  for (const [line, env] of refused) {
    const { code, output } = await run({ DATA_DIR: join(dir, 'data'), PORT: '0', ...env })
    t.equal(code, 1)
    t.match(output, line)
    t.notMatch(output, '\n')
  }
  t.equal((await stat(file)).mode, mode, 'a file is not taken for the folder')
})

t.test('on Redis a start without ISSUER is warned of once; with it, or on an embedded store, none is', async (t) => {
  const redis = await redisEnv(t)
  const warnings = async (env: Env) => {
    const service = await start(t, env)
    await eventually(() => service.lines().some((line) => line.includes('"msg":"ready"')), { within: 10_000 })
    return service.lines().filter((line) => line.includes('ISSUER is not set'))
  }
  t.match(await warnings({ ...redis, ISSUER: '' }), [/"level":40,/])
  t.strictSame(await warnings(redis), [])
  t.strictSame(await warnings({ DATA_DIR: await folder(t), ISSUER: '' }), [])
})

t.test('from the start to ready it takes less than five seconds, on either store', async (t) => {
  for (const env of [await redisEnv(t), { DATA_DIR: await folder(t) }]) {
    const began = performance.now()
    const service = await start(t, env)
    t.ok(performance.now() - began < 5000, `${Math.round(performance.now() - began)} ms`)
    const { warnings = [], ...said } = (await service.call('GET', '/readyz')).body
    t.strictSame(said, { status: 'ok' })
    t.match(warnings, 'REDIS_URL' in env ? [/appendonly yes/] : [])
    t.equal(warnings.length, 'REDIS_URL' in env ? 1 : 0)
  }
})

t.test('without its Redis a process is alive and not ready, stays, and stops when it is told to', async (t) => {
  const nobody = await freePort()
  const service = await start(
    t,
    { REDIS_URL: `redis://127.0.0.1:${nobody}`, AUTH_SECRET: TEST_SECRET },
    { ...REAL, until: 'live' },
  )
  t.equal((await service.call('GET', '/livez')).status, 200)
  const ready = await service.call('GET', '/readyz')
  t.equal(ready.status, 503)
  t.match(ready.body, { status: 'unavailable', reasons: ['Redis cannot be reached', /signing keys/] })
  t.equal((await service.call('GET', '/.well-known/jwks.json')).status, 503)
  t.equal(await service.stop('SIGTERM'), 0)
})

t.test('killed at any moment of its first start, it starts again with the secret it had', async (t) => {
  for (let changes = 1; changes <= 10; changes += 1) {
    const dir = await folder(t)
    const victim = startChild([process.execPath, MAIN], { PATH: process.env['PATH'], DATA_DIR: dir, PORT: '0' })
    await untilChanged(dir, changes, victim.exited)
    await victim.end('SIGKILL')
    const left = await readdir(dir)
    const secret = left.includes('auth-secret') ? await readFile(join(dir, 'auth-secret'), 'utf8') : null
    const service = await start(t, { DATA_DIR: dir })
    const me = await register(service)
    t.equal((await service.call('GET', '/v1/verify', { token: me.access_token })).status, 204)
    const now = await readFile(join(dir, 'auth-secret'), 'utf8')
    if (secret !== null) t.equal(now, secret, `killed at change ${changes}: ${left.join()}`)
    t.ok(Buffer.from(now, 'base64url').length >= 32)
    await service.kill()
  }
})

/** Resolves at the `count`th change in the folder, or once the process is up and has come to rest. */
async function untilChanged(dir: string, count: number, exited: Promise<unknown>): Promise<void> {
  const watching = new AbortController()
  let seen = 0
  const reached = new Promise<void>((resolve) => {
    watch(dir, { signal: watching.signal }, () => {
      seen += 1
      if (seen === count) resolve()
    })
  })
  await Promise.race([reached, exited, sleep(3000, undefined, { ref: false })])
  watching.abort()
}

t.test('the secret of an embedded store is for its owner only', async (t) => {
  const dir = join(await folder(t), 'data')
  await start(t, { DATA_DIR: dir })
  t.equal((await stat(join(dir, 'auth-secret'))).mode & 0o777, 0o600)
  t.equal((await stat(dir)).mode & 0o777, 0o700)
  t.strictSame(
    (await readdir(dir)).filter((file) => file.startsWith('auth-secret')),
    ['auth-secret'],
  )
})

t.test('a draft of the secret that a killed process of the same number left does not change the secret', async (t) => {
  // In a container every process is number 1. Killed between making the secret and removing the draft, it leaves both.
  const dir = await folder(t)
  const secret = await keepAuthSecret(dir)
  await link(join(dir, 'auth-secret'), join(dir, `auth-secret.${process.pid}`))
  t.strictSame(await keepAuthSecret(dir), secret)
  t.strictSame(await keepAuthSecret(dir), secret)
})

t.test('a damaged secret stops the start with a message and is never replaced', async (t) => {
  const dir = await folder(t)
  const service = await start(t, { DATA_DIR: dir })
  await service.stop('SIGINT')
  await writeFile(join(dir, 'auth-secret'), 'short')
  const { code, output } = await run({ DATA_DIR: dir, PORT: '0' })
  t.equal(code, 1)
  t.match(output, /auth-secret.*damaged/)
  t.equal(await readFile(join(dir, 'auth-secret'), 'utf8'), 'short')
})

t.test('rotate-keys without its Redis says that it cannot be reached', async (t) => {
  const env = { REDIS_URL: `redis://127.0.0.1:${await freePort()}`, AUTH_SECRET: TEST_SECRET, LOG_LEVEL: 'silent' }
  t.match(await run(env, 'rotate-keys'), { code: 1, output: /^Redis at 127\.0\.0\.1:\d+: Redis cannot be reached; / })
})

t.test('rotate-keys', { jobs: 2 }, async (t) => {
  const on = (store: 'Redis' | 'LMDB') =>
    t.test(`on ${store}`, { buffered: true }, async (t) => {
      const place = store === 'Redis' ? await redisEnv(t) : { DATA_DIR: await folder(t) }
      const env: Env = { ...place, KEY_ROTATION: '20s' } // instances look for news every quarter of that
      const fleet = await Promise.all([1, 2, 3].map(() => start(t, env, CHEAP)))
      const people = await Promise.all(fleet.map(register))
      const kids = async (): Promise<Set<string>> => {
        const { body } = await (fleet[0] as Service).call('GET', '/.well-known/jwks.json')
        return new Set(body.keys.map(({ kid }: { kid: string }) => kid))
      }
      const rotate = async () => {
        const { code, output } = await run({ ISSUER, ...env }, 'rotate-keys')
        if (code !== 0) throw new Error(output)
      }

      /** The key that an instance signs with now; every instance must verify what it has signed, and what there was before. */
      async function look(index: number, failures: string[]): Promise<string> {
        const me = people[index] as Newcomer
        const next = await (fleet[index] as Service).call('POST', '/v1/refresh', {
          body: { refresh_token: me.refresh_token },
        })
        people[index] = { ...me, refresh_token: next.body.refresh_token }
        for (const at of fleet) {
          for (const token of [next.body.access_token, me.access_token]) {
            const { status, body } = await at.call('GET', '/v1/verify', { token })
            if (status !== 204) failures.push(`${status} ${body.code}`)
          }
        }
        return kidOf(next.body)
      }

      /** Watches until all instances sign with one key that is none of `old`; says which, and which verifications have failed. */
      async function settle(old: ReadonlySet<string>): Promise<{ kid: string; failures: string[] }> {
        const failures: string[] = []
        const found = await eventually(
          async () => {
            const now = new Set(await Promise.all(fleet.map((_, index) => look(index, failures))))
            const [kid = ''] = now
            return now.size === 1 && !old.has(kid) && kid
          },
          { within: 25_000 },
        )
        return { kid: found, failures }
      }

      await t.test('makes running instances sign with the published next key, and no verification fails', async (t) => {
        const first = new Set(people.map(kidOf))
        t.equal(first.size, 1)
        const published = await kids()
        await rotate()
        const { kid, failures } = await settle(first)
        t.ok(published.has(kid), 'it had been published before it signed')
        t.strictSame([...countBy(failures)], [])
      })

      await t.test('run twice more at once, it refuses or goes on, and no verification fails', async (t) => {
        for (const { code, output } of [
          await run({ ISSUER, ...env }, 'rotate-keys'),
          await run({ ISSUER, ...env }, 'rotate-keys'),
        ]) {
          t.ok(code === 0 || (code === 1 && output.length > 0), output.split('\n')[0] ?? '')
        }
        // Long enough for every instance to look for news, one after the other.
        const failures: string[] = []
        for (const until = performance.now() + 6500; performance.now() < until; await sleep(200)) {
          await Promise.all(fleet.map((_, index) => look(index, failures)))
        }
        t.strictSame([...countBy(failures)], [])
      })
    })
  await Promise.all([on('Redis'), on('LMDB')])
})
