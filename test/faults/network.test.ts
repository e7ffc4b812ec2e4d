import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { freePort } from '../support/free-port.ts'
import type { Newcomer } from '../support/home.ts'
import { comeAndGo, histogram, load, strange } from '../support/load.ts'
import { makeNames } from '../support/names.ts'
import { removeFolder, temporaryFolder } from '../support/redis-process.ts'
import { startRedis } from '../support/redis.ts'
import { refusesAll } from '../support/refusals.ts'
import { eventually } from '../support/settle.ts'
import {
  AOF,
  insist,
  isAsBefore,
  isReady,
  launch,
  makeWorld,
  populate,
  refresh,
  register,
  type Session,
  verify,
} from '../support/world.ts'

// What clients see while the way to Redis fails, and that it is found again.

t.test('the name of Redis', async (t) => {
  const NAME = 'redis.latchkey.test'
  const [names, port, dir] = [await makeNames(), await freePort(), await temporaryFolder()]
  t.teardown(names.stop)
  t.teardown(() => removeFolder(dir))
  const startAt = async (address: string) => {
    const redis = await startRedis({ port, dir, args: [...AOF, '--bind', address] })
    t.teardown(redis.stop)
    return redis
  }
  await names.point(NAME, '127.0.0.1')
  const first = await startAt('127.0.0.1')
  const one = await launch(t, `redis://${NAME}:${port}`, names.env)
  const world = await populate([one])

  await t.test('stops resolving: the connections there are go on', async (t) => {
    await names.point(NAME)
    for (let turn = 0; turn < 20; turn += 1) t.equal((await verify(one, world.live[0] as Session)).status, 204)
    await isAsBefore(t, world)
  })

  await t.test('does not resolve when they break: 503, no crash, and no flood of the log', async (t) => {
    const me = await world.spare()
    await first.kill()
    await eventually(() => one.lines().some((line) => line.includes('ENOTFOUND')), { within: 10_000 })
    const said = one.lines().length
    await sleep(1000)
    t.ok(one.lines().length - said < 20, 'it does not flood the log')
    await refusesAll(t, one, me, world.inCookies.cookie, { rounds: 1 })
  })

  await t.test('means another address: it is found without a restart', async (t) => {
    await startAt('127.0.0.2')
    t.equal((await one.call('GET', '/readyz')).status, 503)
    await names.point(NAME, '127.0.0.2')
    await isAsBefore(t, world)
  })

  await t.test('does not resolve at the start: it is alive, says 503, and is ready when it does', async (t) => {
    await names.point(NAME)
    const late = await launch(t, `redis://${NAME}:${port}`, names.env, 'live')
    t.equal((await late.call('GET', '/readyz')).status, 503)
    await names.point(NAME, '127.0.0.2')
    await isReady(late)
    await isAsBefore(t, { ...world, all: [one, late] })
  })
})

t.test('a Redis that has vanished without a word is answered 503 in time, and found again', async (t) => {
  const world = await makeWorld(t)
  const { one, proxy, redis } = world
  const [spare, me] = [await world.spare(), await world.spare()]
  await proxy.freeze()
  t.equal((await refresh(one, me)).status, 503)
  await refusesAll(t, one, spare, world.inCookies.cookie)
  await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal') // whatever was open is dead, and nobody is told
  await sleep(3000)
  await refusesAll(t, one, spare, world.inCookies.cookie, { rounds: 1 })
  t.ok(proxy.connections() < 10, `${proxy.connections()} connections`)
  const healedAt = performance.now()
  await proxy.pass()
  await isReady(one)
  t.comment(`ready after ${Math.round(performance.now() - healedAt)} ms`)
  t.equal((await insist(() => refresh(one, me))).status, 200)
  await isAsBefore(t, world)
})

t.test('connections reset ten times a second: 2xx or 503, and no rotation is doubled', async (t) => {
  const world = await makeWorld(t, { instances: 2 })
  const people = await Promise.all([1, 2, 3].map(world.spare))
  const steps = people.map((me) => ({ me, taken: 0, broken: [] as string[] }))
  const over = new AbortController()
  const rtcOf = ({ access_token }: Session) =>
    JSON.parse(Buffer.from(access_token.split('.')[1] ?? '', 'base64url').toString())['rtc'] as number

  /** Refreshes through one instance and the other, the same token again while the answer is 503; each answer is one step on. */
  async function rotate(step: { me: Newcomer; taken: number; broken: string[] }): Promise<void> {
    for (let turn = 0; !over.signal.aborted; turn += 1) {
      const answer = await refresh(world.all[turn % 2] ?? world.one, step.me)
      if (answer.status === 200) {
        step.taken += 1
        Object.assign(step.me, answer.body)
        if (rtcOf(answer.body) !== step.taken) step.broken.push(`${rtcOf(answer.body)} after ${step.taken} refreshes`)
      } else if (answer.status !== 503) step.broken.push(`${answer.status} ${answer.body.code} ${answer.body.reason}`)
      await sleep(5)
    }
  }

  const rotating = steps.map(rotate)
  const guest = comeAndGo(world.all, await register(world.one))
  const crowd = load(world.all, await Promise.all([1, 2].map(world.spare)), 60)
  for (let turn = 0; turn < 50; turn += 1) {
    await world.proxy.cut()
    await world.proxy.pass()
    await sleep(100)
  }
  over.abort()
  const [samples, visits] = [await crowd.stop(), await guest.stop()]
  await Promise.all(rotating)
  t.comment(`${histogram(samples)}; ${steps.map(({ taken }) => taken).join()} refreshes; ${visits.logins} logins`)
  t.strictSame(strange(samples), [])
  t.strictSame(visits.broken, [])
  t.strictSame(
    steps.flatMap(({ broken }) => broken),
    [],
    'each refresh is one step',
  )
  await isAsBefore(t, {
    ...world,
    live: [...world.live, ...people, ...visits.open.slice(0, 5)],
    over: [...world.over, ...visits.over.slice(-5)],
  })
})
