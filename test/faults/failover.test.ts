import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { comeAndGo, histogram, load, strange } from '../support/load.ts'
import { type RedisProcess, type RedisSentinel, type SentinelOptions, startSentinel } from '../support/redis.ts'
import { isRefusal } from '../support/refusals.ts'
import type { LogLine, Service } from '../support/service.ts'
import { eventually } from '../support/settle.ts'
import {
  goesOn,
  insist,
  isAsBefore,
  isOver,
  isReady,
  isUnbroken,
  launch,
  launchProxy,
  login,
  logout,
  populate,
  refresh,
  register,
  type Session,
  verify,
  type World,
} from '../support/world.ts'

// What clients see while Sentinel makes another Redis the primary, and that nothing that was answered is lost by it.

const FENCED = ['--min-replicas-to-write', '1', '--min-replicas-max-lag', '2']
/** A replica that has gone is missed by commits for five seconds. */
const MISSED_MS = 15_000

async function launchSentinel(t: Test, options: SentinelOptions = {}): Promise<RedisSentinel> {
  const sentinel = await startSentinel({ args: FENCED, ...options })
  t.teardown(sentinel.stop)
  return sentinel
}

/** Resolves when logins go through again on every instance: they wait for the replicas. */
async function isWhole({ all }: Pick<World, 'all'>): Promise<void> {
  for (const at of all) {
    await isReady(at, MISSED_MS)
    await eventually(() => register(at), { within: MISSED_MS })
  }
}

/** Load and visitors on two instances while `fail` is done; resolves when all is well again, with what is to hold from then on. */
async function underLoad(t: Test, { url }: RedisSentinel, fail: () => Promise<unknown>): Promise<void> {
  const all = await Promise.all([1, 2].map(() => launch(t, url)))
  const world = await populate(all)
  const people = await Promise.all([1, 2, 3, 4].map(world.spare))
  const crowd = load(all, people.slice(2), 60)
  const guests = people.slice(0, 2).map((me) => comeAndGo(all, me))
  await sleep(500)
  await fail()
  const movedAt = performance.now()
  await isWhole(world)
  await sleep(500)
  const samples = await crowd.stop()
  const visits = await Promise.all(guests.map((guest) => guest.stop()))
  const refused = samples.filter(({ status }) => status === 503)
  const ofReads = refused.filter(({ what }) => what !== 'login')
  const gap = Math.max(0, ...ofReads.map(({ at }) => at - movedAt))
  t.comment(`${histogram(samples)}; the last 503 of verify or refresh after ${Math.round(gap)} ms`)
  t.comment(visits.map(({ logins, logouts }) => `${logins} in, ${logouts} out`).join())
  t.strictSame(strange(samples), [])
  t.strictSame(
    visits.flatMap(({ broken }) => broken),
    [],
    'no login was lost, no token outlived its logout',
  )
  t.ok(gap < 7000, 'the new primary is found before the old one is told, after ten seconds, that it is none')
  t.ok(Math.max(...samples.map(({ ms }) => ms)) < 3000, 'nobody waits')
  await isAsBefore(t, {
    ...world,
    live: [...world.live, ...visits.flatMap(({ open }) => open.slice(-8))],
    over: [...world.over, ...visits.flatMap(({ over }) => over.slice(-8))],
  })
}

t.test('a failover on request costs a moment of 503, nobody is logged out and no logout is lost', async (t) => {
  const sentinel = await launchSentinel(t)
  await underLoad(t, sentinel, sentinel.failover)
})

t.test('a Sentinel that is silent is passed by, at the start and after a failover', async (t) => {
  const sentinel = await launchSentinel(t)
  const running = await launch(t, sentinel.url)
  const world = await populate([running])
  sentinel.sentinels[0]?.freeze()
  const late = await launch(t, sentinel.url, {}, 'live')
  await isReady(late, MISSED_MS)
  await sentinel.primary.kill()
  await eventually(async () => (await verify(running, world.live[0] as Session)).status === 503, { within: 5000 })
  const all = [running, late]
  await isWhole({ all })
  await isAsBefore(t, { ...world, all })
})

t.test('the primary killed: all that was answered is there on the next', async (t) => {
  const sentinel = await launchSentinel(t)
  await underLoad(t, sentinel, async () => {
    const old = await sentinel.settled() // on a busy machine it may have moved before
    await old.kill()
    await sentinel.moved(old)
  })
})

/** The replicas lose their primary, and cannot come back to it. */
async function cutReplicas({ primary, replicas }: RedisSentinel): Promise<void> {
  for (const replica of replicas) await replica.cli('CONFIG', 'SET', 'masterauth', 'wrong')
  await primary.cli('CLIENT', 'KILL', 'TYPE', 'replica')
}

t.test('a primary that dies with writes no replica has', async (t) => {
  const sentinel = await launchSentinel(t, { args: [] }) // fenced it would have taken none
  const all = await Promise.all([1, 2].map(() => launch(t, sentinel.url)))
  const world = await populate(all)
  const [rotated, leaving, gone] = await Promise.all([world.spare(), world.spare(), world.spare()])
  t.equal((await logout(world.one, gone)).status, 204)
  await cutReplicas(sentinel)

  await t.test('says 503 to whatever must not be lost, in time', async (t) => {
    for (const act of [
      () => logout(world.one, leaving),
      () => world.one.call('POST', '/v1/logout', { token: leaving.access_token, body: { scope: 'all' } }),
      () => login(world.one, leaving),
      () => world.one.call('DELETE', `/v1/sessions/${leaving.session_id}`, { token: leaving.access_token }),
    ]) {
      const began = performance.now()
      const answer = await act()
      t.ok(isRefusal(answer) || answer.status === 401, `${answer.status}`)
      t.ok(performance.now() - began < 2000)
    }
  })

  await t.test('goes on with rotations, and the next one heals what it has not heard of', async (t) => {
    const isHeal = (line: LogLine) => line['session_id'] === rotated.session_id && line['how'] === 'heal'
    for (let turn = 0; turn < 3; turn += 1) await goesOn(t, world.one, rotated)
    await sentinel.primary.kill()
    for (const replica of sentinel.replicas) await replica.cli('CONFIG', 'SET', 'masterauth', '')
    const isNew = (node: RedisProcess | undefined) => node !== undefined && node.port !== sentinel.primary.port
    await eventually(async () => isNew(await sentinel.current()), { within: 30_000 })
    await isWhole(world)
    await goesOn(t, world.one, rotated)
    await eventually(() => world.one.events('session.refreshed').some(isHeal), { within: 2000 })
    for (const at of all) await goesOn(t, at, rotated)
  })

  await t.test('has lost nothing that was answered', async (t) => {
    t.equal((await insist(() => logout(world.one, leaving))).status, 204, 'asked again, it is done')
    await isAsBefore(t, { ...world, over: [...world.over, gone, leaving] })
  })
})

t.test('an old primary, cut off with one instance, lets nobody in and answers no revocation', async (t) => {
  const links: Awaited<ReturnType<typeof launchProxy>>[] = []
  const sentinel = await launchSentinel(t, {
    downAfterMs: 5000,
    failoverTimeoutMs: 10_000,
    async front(port) {
      links.push(await launchProxy(t, port))
      return links[0]?.port ?? port
    },
  })
  const pinned = await launch(t, `redis://127.0.0.1:${sentinel.primary.port}`)
  const other = await launch(t, sentinel.url)
  const world = await populate([other])
  const [leaving, staying] = await Promise.all([world.spare(), world.spare()])
  for (const session of [leaving, staying]) t.equal((await verify(pinned, session)).status, 204, 'it knows the tokens')

  await links[0]?.freeze()
  t.ok(isRefusal(await logout(pinned, staying)), 'no replica has it')
  const silentAfter = await silence(pinned, staying)
  t.comment(`503 after ${Math.round(silentAfter)} ms`)
  t.notOk(await hasMoved(sentinel), 'before another is made the primary')

  const over = new AbortController()
  const seen = new Set<number>()
  const watching = (async () => {
    while (!over.signal.aborted) {
      for (const session of [leaving, staying, ...world.over]) seen.add((await verify(pinned, session)).status)
      seen.add((await refresh(pinned, leaving)).status)
    }
  })()
  await eventually(() => hasMoved(sentinel), { within: 30_000 })
  await isWhole(world)
  t.equal((await insist(() => logout(other, leaving))).status, 204)
  await sleep(1000)
  await links[0]?.pass()
  await sleep(3000) // it is made a replica of the new one
  over.abort()
  await watching
  t.strictSame([...seen], [503], 'nobody is let in, before the heal and after')
  t.equal((await pinned.call('GET', '/readyz')).status, 503)
  isUnbroken(t, pinned)
  await isOver(t, other, leaving)
  await isAsBefore(t, { ...world, live: [...world.live, staying] })
})

const hasMoved = async (sentinel: RedisSentinel) => {
  const current = await sentinel.current()
  return current !== undefined && sentinel.replicas.includes(current)
}

/** How long it took until the instance let nobody in any more, five times in a row. */
async function silence(at: Service, session: Session): Promise<number> {
  const began = performance.now()
  let refusals = 0
  await eventually(
    async () => {
      refusals = isRefusal(await verify(at, session)) ? refusals + 1 : 0
      return refusals === 5
    },
    { within: 10_000 },
  )
  return performance.now() - began
}
