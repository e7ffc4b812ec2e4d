import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { createVerifier, requireToken } from '@latchkey/verify/node'
import { ADMIN, NO_LIMITS, NO_MAIL_LIMITS, TEST_SECRET, mailTo } from '../support/env.ts'
import { startBalancer } from '../support/nginx.ts'
import { freePort } from '../support/free-port.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { type Service, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'
import { type Smtp, startSmtp, readLetter } from '../support/smtp.ts'
import type { Broken } from './broken.ts'
import type { Mailed } from './requests.ts'

/** One of the instances behind nginx; `service` is its process of now. */
export type Instance = {
  service: Service
  /** Between nginx and it. */
  readonly front: Proxy
  /** Between the operator and it. */
  readonly adminFront: Proxy
  /** Between it and a standalone Redis. */
  readonly store: Proxy | null
  /** Kills it, if it still runs, and starts it again on its port. */
  readonly restart: () => Promise<void>
}

/** Three instances behind nginx, with a proxy wherever an answer can be lost. */
export type World = {
  /** Where clients ask: a proxy in front of nginx. */
  readonly url: string
  /** A service that verifies strictly, and asks there, too. */
  readonly serviceUrl: string
  /** Where the operator asks: a proxy in front of each instance. */
  readonly adminUrls: readonly string[]
  readonly front: Proxy
  readonly instances: readonly Instance[]
  readonly mailed: Mailed
  /** Resolves when every instance says that it is ready. */
  readonly healed: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** How to open one. */
export type WorldOptions = {
  readonly redisUrl: string
  /** The port of a standalone Redis: each instance then has a proxy to it. */
  readonly redisPort?: number
  /** The real build unless told. */
  readonly broken?: Broken
}

const BROKEN_INSTANCE = fileURLToPath(new URL('broken-instance.js', import.meta.url))

/** Nothing runs out of time or room, so that whatever is refused was ended by somebody. */
const ENV = {
  AUTH_SECRET: TEST_SECRET,
  ISSUER: 'http://localhost:3000',
  ACCESS_TTL: '23h',
  SESSION_IDLE: '24h',
  REFRESH_GRACE: '30s',
  SESSION_MAX: '500',
  STEP_UP_AGE: '23h',
  LIMIT_SECOND_FACTOR: '1000000/1m',
  LOG_LEVEL: 'warn',
  ...NO_LIMITS,
  ...NO_MAIL_LIMITS,
}

/** Starts it all; resolves when every instance is ready. */
export async function openWorld(options: WorldOptions): Promise<World> {
  const stops: (() => Promise<unknown>)[] = []
  const stop = async () => void (await Promise.allSettled(stops.map((each) => each())))
  try {
    const smtp = await startSmtp()
    stops.push(smtp.stop)
    const instances = await Promise.all([1, 2, 3].map(() => startInstance(options, smtp, stops)))
    const balancer = await startBalancer({ ports: instances.map(({ front }) => front.port) })
    stops.push(balancer.stop)
    const front = await startProxy(balancer.port)
    stops.push(front.stop)
    const healed = async () => void (await Promise.all(instances.map(isReady)))
    const url = `http://127.0.0.1:${front.port}`
    const adminUrls = instances.map(({ adminFront }) => `http://127.0.0.1:${adminFront.port}`)
    const serviceUrl = await startProtected(url, stops)
    return { url, serviceUrl, adminUrls, front, instances, mailed: makeMailed(url, smtp), healed, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Starts a service of somebody else, which the package for services protects. */
async function startProtected(baseUrl: string, stops: (() => Promise<unknown>)[]): Promise<string> {
  const verifier = createVerifier({ issuer: ENV.ISSUER, audience: ENV.ISSUER, freshness: 'strict', baseUrl })
  const server = createServer(requireToken(verifier)((_request, response) => void response.writeHead(204).end()))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  stops.push(async () => {
    verifier.close()
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function startInstance(options: WorldOptions, smtp: Smtp, stops: (() => Promise<unknown>)[]): Promise<Instance> {
  const { redisUrl, redisPort, broken } = options
  const [port, adminPort] = [await freePort(), await freePort()]
  const [front, adminFront] = [await startProxy(port), await startProxy(adminPort)]
  const store = redisPort === undefined ? null : await startProxy(redisPort)
  stops.push(front.stop, adminFront.stop, async () => store?.stop())
  const REDIS_URL = store === null ? redisUrl : `redis://127.0.0.1:${store.port}`
  const env = { ...ENV, ...ADMIN, ...mailTo(smtp.url), PORT: `${port}`, ADMIN_PORT: `${adminPort}`, REDIS_URL }
  const start = () =>
    startService(
      { ...env, ...(broken === undefined ? {} : { BROKEN: broken }) },
      { until: 'live', ...(broken === undefined ? {} : { command: [process.execPath, BROKEN_INSTANCE] }) },
    )
  const instance = {
    service: await start(),
    front,
    adminFront,
    store,
    async restart() {
      await instance.service.kill()
      instance.service = await start()
    },
  }
  stops.push(() => instance.service.kill())
  await isReady(instance)
  return instance
}

/** The last mail is the one: all that are asked for before it is used hold the same token. */
function makeMailed(url: string, smtp: Smtp): Mailed {
  const find = (email: string, before: number) =>
    smtp
      .mailsTo(email)
      .slice(before)
      .map(readLetter)
      .find(({ token }) => token !== '')?.token
  return async (email) => {
    const before = smtp.mailsTo(email).length
    const body = JSON.stringify({ email })
    const asked = { method: 'POST', headers: { 'content-type': 'application/json' }, body }
    const ask = () => fetch(`${url}/v1/password/forgot`, { ...asked, signal: AbortSignal.timeout(5000) })
    const isAsked = async () => (await ask().catch(() => null))?.status === 202
    const come = async () => {
      await eventually(isAsked, { within: 15_000 })
      return eventually(() => find(email, before), { within: 15_000 })
    }
    return come().catch(() => null)
  }
}

function isReady({ service }: { readonly service: Service }): Promise<true> {
  return eventually(async () => (await service.call('GET', '/readyz')).status === 200, { within: 60_000 })
}
