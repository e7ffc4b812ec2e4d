import { makePasskey } from '../test/support/authenticator.ts'
import { appOf, creationOptions, ON_THE_WALL, STEP_MS } from '../test/support/factors.ts'
import { startRedis } from '../test/support/redis.ts'
import type { Exchange } from './drive.ts'
import { factorsSection } from './report.ts'
import { saveFactors } from './results.ts'
import { bareArgon2, CONNECTIONS, measureRounds, type Subject, underLoad } from './rounds.ts'
import { describeMachine, installContenders, shareOutCores, type Started, startLatchkey } from './servers.ts'
import { LOGINS_AT_ONCE, settle } from './settle.ts'
import { type Account, type AppOwner, bearers, logins, loginsInTwoSteps, refreshes, SETTINGS } from './traffic.ts'

// What second factors cost those who have them, and those who have none. BEFORE is the dist/main.js of a service without them.

const isQuick = process.env['QUICK'] === '1'
const ROUNDS = isQuick ? 1 : 3
const SECONDS = isQuick ? 1 : 3
const PASSKEYS = 3
const stepOfNow = () => Math.floor(Date.now() / STEP_MS)

await installContenders()
const cores = await shareOutCores()
const redis = await startRedis()
try {
  const plain = await settle({ ...SETTINGS, REDIS_URL: redis.url })
  const owners = await enrol(plain.env, (await settle(plain.env, 'owner')).accounts)
  const start = async (next: () => Exchange, connections = CONNECTIONS, main?: string) =>
    underLoad(await startLatchkey(cores, plain.env, main), next, connections)
  const before = process.env['BEFORE']
  const subjects: Record<string, () => Promise<Subject>> = {
    argon2: () => bareArgon2(cores),
    ...(before && { 'login, before': () => start(logins(plain.accounts), LOGINS_AT_ONCE, before) }),
    login: () => start(logins(plain.accounts), LOGINS_AT_ONCE),
    'login in two steps': () => start(loginsInTwoSteps(owners), LOGINS_AT_ONCE),
    refresh: () => start(refreshes(plain.accounts)),
    'refresh, app and three passkeys': () => start(refreshes(owners)),
    verify: () => start(bearers(plain.accounts)),
    'verify ?acr=aal2': () => start(bearers(owners, '/v1/verify?acr=aal2')),
  }
  const samples = await measureRounds(subjects, ROUNDS, SECONDS)
  const section = factorsSection({ date: new Date().toISOString(), machine: describeMachine(cores) }, samples)
  process.stdout.write(section)
  if (!isQuick) await saveFactors(section)
} finally {
  await redis.stop()
}

/** Gives each an app and three passkeys. */
async function enrol(env: Record<string, string>, accounts: readonly Account[]): Promise<AppOwner[]> {
  const service = await startLatchkey(null, env)
  const owners = await Promise.all(accounts.map((account) => enrolOne(service, account)))
  await service.stop('SIGINT')
  return owners
}

async function enrolOne({ call }: Started, { email, accessToken: token }: Account): Promise<AppOwner> {
  const { body: begun } = await call('POST', '/v1/factors/totp', { token })
  const app = appOf(ON_THE_WALL, begun.secret)
  let spent = stepOfNow() - 1
  const { body: enrolled } = await call('POST', '/v1/factors/totp/confirm', { token, body: { code: app.code(-1) } })
  for (let count = 0; count < PASSKEYS; count += 1) {
    const { response } = makePasskey(await creationOptions({ call }, enrolled.access_token))
    const { status } = await call('POST', '/v1/factors/passkeys', { token: enrolled.access_token, body: { response } })
    if (status !== 201) throw new Error(`passkey: ${status}`)
  }
  const code = () => {
    spent = Math.max(spent + 1, stepOfNow() - 1)
    return app.code(spent - stepOfNow())
  }
  return { email, accessToken: enrolled.access_token, refreshToken: enrolled.refresh_token, code }
}
