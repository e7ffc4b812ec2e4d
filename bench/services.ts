import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { startRedis } from '../test/support/redis.ts'
import { servicesSection } from './report.ts'
import { saveServices } from './results.ts'
import { measureRounds, underLoad } from './rounds.ts'
import { describeMachine, installContenders, shareOutCores, startContender, startLatchkey } from './servers.ts'
import { settle } from './settle.ts'
import { type Account, bearers, SETTINGS } from './traffic.ts'

// What it costs a service to verify access tokens: by the package and by what others use.

const isQuick = process.env['QUICK'] === '1'
const ROUNDS = isQuick ? 1 : 3
const SECONDS = isQuick ? 1 : 3

await installContenders()
const cores = await shareOutCores()
const redis = await startRedis()
const core = await openCore()
try {
  const { env, accounts, contender } = await settle({ ...SETTINGS, REDIS_URL: redis.url })
  const latchkey = await startLatchkey(null, env)
  const names = { ...contender, ISSUER: SETTINGS.ISSUER, LATCHKEY: latchkey.url, CORE: core.url }
  const start =
    (name: string, tokens: readonly Account[], more: Record<string, string> = {}) =>
    async () =>
      underLoad(await startContender(cores, name, { ...names, ...more }), bearers(tokens))
  const subjects = {
    'no check': start('raw', accounts),
    'the package, signature': start('service-package', accounts, { FRESHNESS: 'signature' }),
    'the package, strict': start('service-package', accounts, { FRESHNESS: 'strict' }),
    'jose by hand': start('service-jose', accounts),
    'express-oauth2-jwt-bearer': start('service-express-oauth2', accounts),
    'supertokens-node': start('service-supertokens', await core.issue(accounts.length)),
  }
  const samples = await measureRounds(subjects, ROUNDS, SECONDS)
  const section = servicesSection({ date: new Date().toISOString(), machine: describeMachine(cores) }, samples)
  process.stdout.write(section)
  if (!isQuick) await saveServices(section)
  await latchkey.stop('SIGINT')
} finally {
  core.close()
  await redis.stop()
}

/** What SuperTokens' services ask of its core when they check a session, its keys; and sessions of that core, signed by RS256 as its are. */
async function openCore() {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
  const kid = 'd-1'
  const keys = [{ ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' }]
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const issueOne = async (sub: string): Promise<Account> => {
    const of = {
      sessionHandle: `of-${sub}`,
      refreshTokenHash1: 'x',
      parentRefreshTokenHash1: null,
      antiCsrfToken: null,
    }
    const text = new SignJWT({ iss: 'http://localhost:3000/auth', sub, rsub: sub, tId: 'public', ...of })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', version: '5', kid })
      .setIssuedAt()
      .setExpirationTime('2h')
    return { email: sub, accessToken: await text.sign(privateKey), refreshToken: '' }
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    issue: (count: number) => Promise.all(Array.from({ length: count }, (_, number) => issueOne(`user-${number}`))),
    close: () => server.close(),
  }
}
