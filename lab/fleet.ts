import { setTimeout as sleep } from 'node:timers/promises'
import { type FakeTime, makeFakeTime } from '../test/support/faketime.ts'
import { freePort } from '../test/support/free-port.ts'
import { startBalancer } from '../test/support/nginx.ts'
import { type Service, startService } from '../test/support/service.ts'
import { openAccounts } from './accounts.ts'
import { type Contender, programOf, type StoreKind } from './contenders.ts'
import type { Device, Person, Site } from './device.ts'
import { register } from './latchkey-device.ts'
import { startStore, type Store } from './store.ts'

/** One instance of a contender: a process, with a wall clock of its own. */
export interface Server {
  readonly port: number
  readonly start: () => Promise<void>
  readonly stop: () => Promise<void>
  readonly kill: () => Promise<void>
  readonly isUp: () => boolean
  /** What it said at last if it has ended by itself. */
  readonly lastWords: () => readonly string[]
  /** How far its clock is from the fleet's, in seconds. */
  readonly skew: (seconds: number) => Promise<void>
  /** Takes note that the fleet's clock has gone on. */
  readonly follow: () => Promise<void>
}

/** Instances of a contender behind nginx, with the store it asks for. */
export interface Fleet extends Site {
  readonly contender: Contender
  /** Three that run, and a fourth that nginx knows and that does not run yet. */
  readonly servers: readonly Server[]
  readonly store: Store | null
  /** The ports of those that run. */
  readonly ports: () => number[]
  /** A week passes: all clocks of the site and its visitors go on. */
  readonly pass: (seconds: number) => Promise<void>
  readonly newPerson: () => Promise<Person>
  /** Gives a person an account, unless there is one. */
  readonly enrol: (person: Person) => Promise<void>
  /** A device of this person, in a network of its own. */
  readonly newDevice: (person: Person) => Device
  /** How often each status has been answered to honest clients, requests of theirs that a retry healed included. */
  readonly statuses: Map<number, number>
  readonly stop: () => Promise<void>
}

/** Brings it up. */
export async function startFleet(contender: Contender, kind?: StoreKind): Promise<Fleet> {
  const program = await programOf(contender)
  const accounts = await openAccounts()
  const clocks = await Promise.all(Array.from({ length: 5 }, () => makeFakeTime()))
  const storeClock = clocks[4] as FakeTime
  const store = kind === undefined ? null : await startStore(kind, storeClock)
  const ports = await Promise.all([freePort(), freePort(), freePort(), freePort()])
  const env = {
    ...program.env,
    ACCOUNTS_URL: accounts.url,
    INSTANCES: ports.join(),
    ...(store === null ? {} : { REDIS_URL: store.url }),
  }
  let ahead = 0
  const servers = ports.map((port, place) =>
    makeServer({ port, clock: clocks[place] as FakeTime, ahead: () => ahead, command: program.command, env }),
  )
  const balancer = await startBalancer({ ports, ...contender.routing })
  const stop = async () => {
    await balancer.stop()
    await Promise.all(servers.map((server) => server.kill()))
    await store?.stop()
    accounts.stop()
    await Promise.all(clocks.map((clock) => clock.stop()))
  }
  await startAll(servers.slice(0, 3)).catch(async (error: unknown) => {
    await stop()
    throw error
  })

  const statuses = new Map<number, number>()
  const site: Site = {
    port: balancer.port,
    now: () => Date.now() + ahead * 1000,
    heard: (status) => void statuses.set(status, (statuses.get(status) ?? 0) + 1),
  }
  let people = 0
  let devices = 0
  const enrol = async (person: Person) => {
    if (contender.program === 'latchkey') await register(balancer.port, person)
    else accounts.add(person)
  }
  return {
    ...site,
    enrol,
    contender,
    servers,
    store,
    statuses,
    ports: () => servers.filter((server) => server.isUp()).map(({ port }) => port),
    async pass(seconds) {
      ahead += seconds
      await atOnce(store, () => Promise.all([storeClock.shift(ahead), ...servers.map((server) => server.follow())]))
      if (contender.program === 'latchkey') await sleep(SEEN_MS)
    },
    async newPerson() {
      const person = { email: `person-${(people += 1)}@example.org`, password: 'seven red bicycles in the rain' }
      await enrol(person)
      return person
    },
    newDevice: (person) => contender.device(site, person, `127.0.${1 + ((devices += 1) % 250)}.2`),
    stop,
  }
}

/** Latchkey's instances go by the clock of Redis, and have looked at it. */
const SEEN_MS = 400

/** As a supervisor would: on a busy machine an instance may be slow, or find its port taken for a moment. */
async function stubbornly<T>(start: () => Promise<T>, tries = 5): Promise<T> {
  try {
    return await start()
  } catch (error) {
    if (tries === 1) throw error
    await sleep(1000)
    return stubbornly(start, tries - 1)
  }
}

/** Rejects when all have come up or not. */
async function startAll(servers: readonly Server[]): Promise<void> {
  const started = await Promise.allSettled(servers.map((server) => server.start()))
  for (const each of started) if (each.status === 'rejected') throw each.reason
}

/** Nobody may hear from the store what time it was before, and believe it to be now. */
async function atOnce(store: Store | null, shift: () => Promise<unknown>): Promise<void> {
  if (store?.kind === 'standalone') store.freeze()
  try {
    await sleep(50) // what it has answered has been read
    await shift()
  } finally {
    if (store?.kind === 'standalone') store.thaw()
  }
}

interface Place {
  readonly port: number
  readonly clock: FakeTime
  readonly ahead: () => number
  readonly command: readonly string[]
  readonly env: Record<string, string>
}

function makeServer({ port, clock, ahead, command, env }: Place): Server {
  let service: Service | undefined
  let isGone = false
  let skewed = 0
  const follow = () => clock.shift(ahead() + skewed)
  const until = command.some((word) => word.endsWith('main.js')) ? 'ready' : 'live'
  return {
    port,
    isUp: () => service !== undefined,
    lastWords: () => (isGone ? (service?.lines().slice(-5) ?? []) : []),
    async start() {
      const started = await stubbornly(() =>
        startService({ ...env, ...clock.env, PORT: `${port}` }, { command, until }),
      )
      service = started
      void started.exited.then(() => (isGone = service === started))
    },
    async stop() {
      const told = service
      service = undefined
      await told?.stop('SIGTERM')
    },
    async kill() {
      const killed = service
      service = undefined
      await killed?.kill()
    },
    skew(seconds) {
      skewed = seconds
      return follow()
    },
    follow,
  }
}
