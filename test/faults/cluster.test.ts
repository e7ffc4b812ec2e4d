import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { comeAndGo, histogram, load, strange } from '../support/load.ts'
import { type RedisProcess, startCluster } from '../support/redis.ts'
import { isRefusal, refusesAll } from '../support/refusals.ts'
import {
  AOF,
  isAsBefore,
  isReady,
  launch,
  login,
  logout,
  populate,
  refresh,
  register,
  verify,
} from '../support/world.ts'

// What clients see while a Redis Cluster is moved about and loses a part.

t.test('slots that move under load cost a moment of 503, no login, no logout and no wrong answer', async (t) => {
  const cluster = await startCluster({ replicas: 1 })
  t.teardown(cluster.stop)
  const all = await Promise.all([1, 2].map(() => launch(t, cluster.url)))
  const world = await populate(all)
  const [hot, ...people] = await Promise.all([world.spare(), world.spare(), world.spare()])
  const crowd = load(all, [hot, ...people], 60)
  const guests = [hot, await world.spare()].map((me) => comeAndGo(all, me))
  const moves: { readonly key: string; readonly from: number; readonly until: number }[] = []
  for (const key of [`{${hot.user.id}}:user`, '{latchkey}:signing-keys']) {
    const home = await cluster.home(key)
    const away = cluster.nodes.slice(0, 3).find((node) => node !== home) as RedisProcess
    for (const to of [away, home]) {
      const from = performance.now()
      await cluster.moveSlot(key, to)
      moves.push({ key, from, until: performance.now() })
      await sleep(1500)
    }
  }
  const samples = await crowd.stop()
  const visits = await Promise.all(guests.map((guest) => guest.stop()))
  t.comment(`${histogram(samples)}; ${visits.map(({ logins, logouts }) => `${logins} in, ${logouts} out`).join()}`)
  t.strictSame(strange(samples), [])
  t.strictSame(
    visits.flatMap(({ broken }) => broken),
    [],
  )
  const refused = samples.filter(({ status }) => status === 503)
  const late = refused.filter(({ at }) => !moves.some(({ from, until }) => at > from - 500 && at < until + 2000))
  t.strictSame(late, [], `503 only while a slot moved and two seconds after: ${refused.length}`)
  await isAsBefore(t, {
    ...world,
    live: [...world.live, ...visits.flatMap(({ open }) => open.slice(0, 5))],
    over: [...world.over, ...visits.flatMap(({ over }) => over.slice(-5))],
  })
})

t.test('a Cluster without replicas that has lost a primary', async (t) => {
  const cluster = await startCluster({ args: [...AOF, '--cluster-require-full-coverage', 'no'] })
  t.teardown(cluster.stop)
  const all = await Promise.all([1, 2].map(() => launch(t, cluster.url)))
  const world = await populate(all)
  const people = await Promise.all(Array.from({ length: 12 }, world.spare))
  const centre = await cluster.home('{latchkey}:identity')
  const other = cluster.nodes.find((node) => node !== centre) as RedisProcess
  const lives = await Promise.all(people.map(async ({ user }) => (await cluster.home(`{${user.id}}:user`)) !== other))

  await t.test('verifies whoever lives on the others, and says 503 to the rest', async (t) => {
    t.ok(lives.includes(true) && lives.includes(false))
    await other.kill()
    for (let round = 0; round < 3; round += 1) {
      for (const at of all) {
        const answers = await Promise.all(people.map((me) => verify(at, me)))
        t.strictSame(
          answers.filter((answer, index) => (lives[index] === true ? answer.status !== 204 : !isRefusal(answer))),
          [],
        )
      }
      await sleep(1000) // the others find out that it is dead
    }
    for (const [index, me] of people.entries()) {
      const answers = [await refresh(world.one, me), await login(world.one, me)]
      for (const { status } of answers) t.ok(status === 503 || (lives[index] === true && status === 200), `${status}`)
    }
    t.equal((await world.one.call('GET', '/livez')).status, 200)
    await other.restart()
    await isAsBefore(t, { ...world, live: [...world.live, ...people] })
  })

  await t.test('says 503 to everybody if it was the one that names the store', async (t) => {
    await centre.kill()
    for (const at of all) {
      for (const answer of await Promise.all(people.map((me) => verify(at, me))))
        t.ok(isRefusal(answer), '503, and when to come back')
      for (const answer of await Promise.all(people.map((me) => refresh(at, me))))
        t.ok(isRefusal(answer), '503, and when to come back')
    }
    await centre.restart()
    await isAsBefore(t, { ...world, live: [...world.live, ...people] })
  })
})

t.test('a Cluster that demands all of its slots says 503 to everybody while one primary is away', async (t) => {
  const cluster = await startCluster({ args: AOF })
  t.teardown(cluster.stop)
  const all = await Promise.all([1, 2].map(() => launch(t, cluster.url)))
  const world = await populate(all)
  const [me, you] = await Promise.all([world.spare(), world.spare()])
  const lost = cluster.nodes[0] as RedisProcess
  await lost.kill()
  await sleep(3000) // the others find out that it is dead
  await refusesAll(t, world.one, me, world.inCookies.cookie, { rounds: 1 })
  await lost.restart()
  await isReady(world.one)
  t.equal((await logout(world.one, you)).status, 204)
  t.equal((await verify(world.one, await register(world.one))).status, 204)
  await isAsBefore(t, { ...world, over: [...world.over, you] })
})
