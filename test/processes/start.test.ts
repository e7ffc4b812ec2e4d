import { once } from 'node:events'
import { link, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { keepAuthSecret } from '../../src/store/lmdb/auth-secret-file.ts'
import { freePort } from '../support/free-port.ts'
import { TEST_SECRET } from '../support/env.ts'
import { type Env, folder, REAL, redisEnv, run, start } from '../support/life.ts'
import { makeNames } from '../support/names.ts'
import { eventually } from '../support/settle.ts'

// How a process comes, and refuses to come.

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
t.test('of the addresses of HOST it listens on one', async (t) => {
  const names = await makeNames()
  t.teardown(names.stop)
  await names.point('localhost', '::1', '127.0.0.1')
  const service = await start(t, { DATA_DIR: await folder(t), HOST: 'localhost', ...names.env })
  const other = connect(service.port, '::1')
  await t.rejects(once(other, 'connect'))
  t.equal((await service.call('GET', '/livez')).status, 200)
})
