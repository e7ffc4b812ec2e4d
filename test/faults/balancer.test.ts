import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { TEST_SECRET } from '../support/env.ts'
import type { Newcomer } from '../support/home.ts'
import { comeAndGo, histogram, load } from '../support/load.ts'
import { startBalancer } from '../support/nginx.ts'
import { type Answer, callAt, type Service } from '../support/service.ts'
import {
  type Door,
  type Env,
  goesOn,
  insist,
  isAsBefore,
  isOver,
  launch,
  launchProxy,
  launchRedis,
  login,
  logout,
  newAddress,
  PASSWORD,
  populate,
  refresh,
  register,
  SAME_ORIGIN,
  type Session,
  verify,
} from '../support/world.ts'

// What clients see through nginx while instances come and go, and connections break on either side of it.

const MAIN = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))

async function launchBalancer(t: Test, ports: readonly number[]): Promise<Door & { readonly port: number }> {
  const balancer = await startBalancer({ ports })
  t.teardown(balancer.stop)
  return { port: balancer.port, call: callAt(balancer.url) }
}

/** A client that asks a second time when it got no answer, or one that says so. */
function patient(door: Door): Door & { readonly retries: () => number } {
  let retries = 0
  const isNone = (answer: Answer<any>) => [502, 503, 504].includes(answer.status)
  return {
    retries: () => retries,
    async call(method, path, request) {
      const first = await door.call(method, path, request).catch(() => null)
      if (first !== null && !isNone(first)) return first
      retries += 1
      return door.call(method, path, request)
    },
  }
}

/** Stops an instance and starts another in its place. */
async function replace(t: Test, old: Service, url: string, env: Env, signal: NodeJS.Signals): Promise<Service> {
  t.equal(await old.stop(signal), 0)
  return launch(t, url, { PORT: `${old.port}`, ...env })
}

/** People and visitors who go on through a door until it is over. */
function traffic(door: Door, people: readonly Newcomer[], perSecond: number) {
  const crowd = load([door], people.slice(2), perSecond)
  const guests = people.slice(0, 2).map((me) => comeAndGo([door], me))
  return async (t: Test) => {
    const samples = await crowd.stop()
    const visits = await Promise.all(guests.map((guest) => guest.stop()))
    const count = (what: 'logins' | 'logouts') => visits.reduce((sum, each) => sum + each[what], 0)
    t.comment(`${histogram(samples)}; ${count('logins')} came, ${count('logouts')} went`)
    t.strictSame(
      visits.flatMap(({ broken }) => broken),
      [],
      'no login was lost, no token outlived its logout',
    )
    return {
      samples,
      live: visits.flatMap(({ open }) => open.slice(0, 5)),
      over: visits.flatMap(({ over }) => over.slice(-5)),
    }
  }
}

t.test('behind nginx, three are restarted one after the other and clients who ask twice see no error', async (t) => {
  const redis = await launchRedis(t)
  const all = await Promise.all([1, 2, 3].map(() => launch(t, redis.url)))
  const world = await populate(all)
  const nginx = await launchBalancer(
    t,
    all.map(({ port }) => port),
  )
  const door = patient(nginx)
  const people = await Promise.all([1, 2, 3, 4, 5, 6].map(world.spare))
  const stop = traffic(door, people, 100)
  const next: Service[] = []
  for (const old of all) next.push(await replace(t, old, redis.url, {}, 'SIGTERM'))
  const { samples, live, over } = await stop(t)
  t.comment(`${door.retries()} second tries`)
  t.ok(samples.length > 500)
  t.strictSame(samples.filter(({ status }) => ![200, 204].includes(status as number)).slice(0, 5), [], 'not even a 503')
  await isAsBefore(t, { ...world, all: next, live: [...world.live, ...live], over: [...world.over, ...over] })
})

t.test(
  'a rolling deploy that rotates AUTH_SECRET and signing keys under load logs nobody out and loses no login',
  async (t) => {
    const NEXT_SECRET = 'mB3n0vQm7sX9yZr4tB8nWc1dEf5hJ6lA3gOiUeTzRqU'
    const env = { KEY_ROTATION: '20s' } // instances look for news every quarter of that
    const redis = await launchRedis(t)
    let all = await Promise.all([1, 2, 3].map(() => launch(t, redis.url, env)))
    const world = await populate(all)
    const nginx = await launchBalancer(
      t,
      all.map(({ port }) => port),
    )
    const door = patient(nginx)
    const stop = traffic(door, await Promise.all([1, 2, 3, 4, 5, 6].map(world.spare)), 60)
    const kids = async () =>
      new Set((await door.call('GET', '/.well-known/jwks.json')).body.keys.map(({ kid }: any) => kid))
    const before = await kids()
    const sleepers = await Promise.all([1, 2].map(world.spare)) // they come back only when all is over
    const deploy = async (secrets: string) => {
      const next: Service[] = []
      for (const old of all) {
        next.push(await replace(t, old, redis.url, { ...env, AUTH_SECRET: secrets }, 'SIGINT'))
        await sleep(1500) // nginx asks an instance that has failed again after a second
      }
      all = next
    }
    const rotate = (AUTH_SECRET: string) =>
      promisify(execFile)(process.execPath, [MAIN, 'rotate-keys'], {
        env: { PATH: process.env['PATH'], REDIS_URL: redis.url, AUTH_SECRET, ...env },
      })
    const deploying = deploy(`${TEST_SECRET},${NEXT_SECRET}`)
    await Promise.all([deploying, rotate(TEST_SECRET)])
    sleepers.push(await register(door))
    await deploy(`${NEXT_SECRET},${TEST_SECRET}`)
    const { samples, live, over } = await stop(t)
    t.comment(`${door.retries()} second tries`)
    t.strictSame(samples.filter(({ status }) => ![200, 204].includes(status as number)).slice(0, 5), [])
    t.notSame(await kids(), before, 'the signing keys are others')
    await isAsBefore(t, {
      ...world,
      all,
      live: [...world.live, ...sleepers, ...live],
      over: [...world.over, ...over],
    })
  },
)

t.test('a client whose connection breaks after the deed sends the same again and goes on', async (t) => {
  const redis = await launchRedis(t)
  const all = await Promise.all([1, 2].map(() => launch(t, redis.url)))
  const world = await populate(all)
  const nginx = await launchBalancer(
    t,
    all.map(({ port }) => port),
  )
  const proxy = await launchProxy(t, nginx.port)
  const door: Door = { call: callAt(`http://127.0.0.1:${proxy.port}`) }

  /** Does it, but its answer is lost; then does it again. */
  async function again(t: Test, act: () => Promise<Answer<any>>): Promise<Answer<any>> {
    await proxy.loseReplies(1)
    await t.rejects(act(), 'the answer was lost')
    await proxy.pass()
    return act()
  }
  const rtcOf = ({ access_token }: Session) =>
    JSON.parse(Buffer.from(access_token.split('.')[1] ?? '', 'base64url').toString())['rtc'] as number

  await t.test('a refresh gets the one successor', async (t) => {
    const me = await world.spare()
    for (let round = 1; round <= 5; round += 1) {
      const next = await again(t, () => refresh(door, me))
      t.equal(next.status, 200)
      t.equal(rtcOf(next.body), round, 'one step')
      Object.assign(me, next.body)
    }
    await goesOn(t, door, me)
  })

  await t.test('a refresh by cookie, too, and no answer that was given clears the cookie', async (t) => {
    const me = await world.spare()
    const body = { email: me.email, password: me.password, transport: 'cookie' }
    const first = await door.call('POST', '/v1/login', { body, headers: SAME_ORIGIN })
    const cookieOf = ({ headers }: Answer<any>) => headers.getSetCookie()[0]?.split(';')[0] ?? ''
    const ask = (cookie: string) =>
      door.call('POST', '/v1/refresh', { headers: { ...SAME_ORIGIN, cookie, 'content-type': 'application/json' } })
    const next = await again(t, () => ask(cookieOf(first)))
    t.equal(next.status, 200)
    t.equal(rtcOf(next.body), 1)
    t.equal((await ask(cookieOf(next))).status, 200)
  })

  await t.test('a logout is answered 204 again', async (t) => {
    const me = await world.spare()
    t.equal((await again(t, () => logout(door, me))).status, 204)
    for (const at of all) await isOver(t, at, me)
    const you = await world.spare()
    const byAccess = { token: you.access_token, body: { scope: 'session' } }
    t.equal((await again(t, () => door.call('POST', '/v1/logout', byAccess))).status, 204)
    for (const at of all) await isOver(t, at, you)
  })

  await t.test('a login opens one session more', async (t) => {
    const me = await world.spare()
    const next = await again(t, () => login(door, me))
    t.equal(next.status, 200)
    const { body } = await door.call('GET', '/v1/sessions', { token: next.body.access_token })
    t.equal(body.sessions.length, 3)
    await goesOn(t, door, me)
  })

  await t.test('a registration is told that the address is taken, and logs in', async (t) => {
    const me = { email: newAddress(), password: PASSWORD }
    const next = await again(t, () => door.call('POST', '/v1/register', { body: me }))
    t.match(next, { status: 409, body: { code: 'email_taken' } })
    t.equal((await login(door, me)).status, 200)
  })

  await t.test('a password change is told that its token is dead, and refreshes', async (t) => {
    const me = await world.spare()
    const other = (await login(door, me)).body
    const body = { current_password: PASSWORD, new_password: `${PASSWORD} again` }
    const next = await again(t, () => door.call('POST', '/v1/password', { token: me.access_token, body }))
    t.match(next, { status: 401, body: { code: 'token_revoked' } })
    await goesOn(t, door, me)
    for (const at of all) await isOver(t, at, other)
    t.equal((await login(door, { ...me, password: `${PASSWORD} again` })).status, 200)
  })

  await t.test('a patch finds what it has done', async (t) => {
    const { access_token: token } = await world.spare()
    const patch = (body: object) => door.call('PATCH', '/v1/session/data', { token, body })
    t.match(await again(t, () => patch({ a: 1 })), { status: 200, body: { a: 1 } })
    t.strictSame((await again(t, () => patch({ b: 2 }))).body, { a: 1, b: 2 })
  })

  await isAsBefore(t, world)
})

t.test('an instance that dies in the middle of requests', async (t) => {
  const redis = await launchRedis(t)
  const slow = await launchProxy(t, redis.port)
  const [one, other] = await Promise.all([1, 2].map(() => launch(t, `redis://127.0.0.1:${slow.port}`)))
  const world = await populate([one as Service, other as Service])

  await t.test('after the deed: a GET is tried on the other, a POST is not, and nothing happens twice', async (t) => {
    const proxies = await Promise.all(world.all.map(({ port }) => launchProxy(t, port)))
    const door = await launchBalancer(
      t,
      proxies.map(({ port }) => port),
    )

    const [dying] = proxies

    /** Does it until the instance that answers nobody was the one that did it, and says how often that was. */
    async function untilLost(t: Test, act: () => Promise<Answer<any>>, check: () => Promise<void>): Promise<void> {
      for (let turn = 0; turn < 40; turn += 1) {
        await dying?.loseReplies(1)
        const { status } = await act()
        t.ok([200, 201, 502].includes(status), String(status))
        await check()
        if (status === 502) return
        await sleep(100) // an instance that failed is asked again after a second
      }
      t.fail('it never met the dying instance')
    }

    for (let turn = 0; turn < 6; turn += 1) {
      await dying?.loseReplies(1)
      t.equal((await verify(door, world.live[0] as Session)).status, 204)
    }
    const me = await world.spare()
    let opened = 1
    await untilLost(
      t,
      () => login(door, me),
      async () => {
        opened += 1
        const { body } = await world.one.call('GET', '/v1/sessions', { token: me.access_token })
        t.equal(body.sessions.length, opened, 'one login, one session')
      },
    )
    await untilLost(
      t,
      () => refresh(door, me),
      () => goesOn(t, world.one, me),
    )
    let email = ''
    await untilLost(
      t,
      () => door.call('POST', '/v1/register', { body: { email: (email = newAddress()), password: PASSWORD } }),
      async () => {
        t.equal((await login(world.one, { email, password: PASSWORD })).status, 200)
      },
    )
    await dying?.pass()
  })

  await t.test('killed: whoever reads is answered by the other, whoever writes asks again', async (t) => {
    const door = await launchBalancer(
      t,
      world.all.map(({ port }) => port),
    )
    const people = await Promise.all(Array.from({ length: 12 }, world.spare))
    const [readers, refreshers, leavers] = [people.slice(0, 4), people.slice(4, 8), people.slice(8)]
    await slow.delay(150)
    const reading = readers.map((me) => verify(door, me))
    const refreshing = refreshers.map((me) => refresh(door, me))
    const leaving = leavers.map((me) => logout(door, me))
    await sleep(100)
    await other?.kill()
    await slow.pass()
    const statuses = async (asked: Promise<Answer<any>>[]) => (await Promise.all(asked)).map(({ status }) => status)
    const [read, refreshed, left] = [await statuses(reading), await statuses(refreshing), await statuses(leaving)]
    t.comment(`read ${read.join()}, refreshed ${refreshed.join()}, left ${left.join()}`)
    t.strictSame(
      read.filter((status) => ![204, 503].includes(status)),
      [],
    )
    t.strictSame(
      [...refreshed, ...left].filter((status) => ![200, 204, 502, 503].includes(status)),
      [],
    )
    t.ok([...refreshed, ...left].includes(502), 'it was felt')
    for (const me of refreshers) await goesOn(t, door, me)
    for (const me of leavers) {
      t.equal((await insist(() => logout(door, me))).status, 204)
      await isOver(t, door, me)
    }
    const again = await launch(t, redis.url, { PORT: `${other?.port}` })
    await isAsBefore(t, { ...world, all: [one as Service, again] })
  })
})
