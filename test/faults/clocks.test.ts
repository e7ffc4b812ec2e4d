import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type FakeTime, makeFakeTime } from '../support/faketime.ts'
import type { Newcomer } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'
import type { Answer, Service } from '../support/service.ts'
import { eventually } from '../support/settle.ts'
import {
  isReady,
  type Env,
  goesOn,
  insist,
  isAsBefore,
  isOver,
  isUnbroken,
  launch,
  login,
  logout,
  makeWorld,
  PASSWORD,
  populate,
  refresh,
  register,
  type Session,
  verify,
} from '../support/world.ts'

// Processes that stand still, and clocks that are wrong.

const statuses = (answers: readonly Answer<any>[]) => [...new Set(answers.map(({ status }) => status))]

t.test(
  'an instance that stood still accepts nothing that was revoked meanwhile, from its first answer on',
  async (t) => {
    for (const standsMs of [1000, 6000]) {
      await t.test(`${standsMs} ms`, async (t) => {
        const world = await makeWorld(t, { instances: 2 })
        const [asleep, other] = world.all as [Service, Service]
        const people = await Promise.all([1, 2, 3, 4].map(world.spare))
        const [out, all, changed, me] = people as [Newcomer, Newcomer, Newcomer, Newcomer]
        const device: Session = (await login(other, me)).body
        const gone = [out, all, changed, device]
        for (const session of [...gone, me]) t.equal((await verify(asleep, session)).status, 204, 'it knows the token')
        asleep.freeze()
        const done = [
          await logout(other, out),
          await other.call('POST', '/v1/logout', { token: all.access_token, body: { scope: 'all' } }),
          await other.call('POST', '/v1/password', {
            token: changed.access_token,
            body: { current_password: PASSWORD, new_password: `${PASSWORD} again` },
          }),
          await other.call('DELETE', `/v1/sessions/${device.session_id}`, { token: me.access_token }),
        ]
        t.strictSame(
          done.map(({ status }) => status),
          [204, 204, 200, 204],
          'nobody waits for it',
        )
        const asked = gone.flatMap((session) => Array.from({ length: 10 }, () => verify(asleep, session)))
        await sleep(standsMs)
        asleep.thaw()
        const first = gone.flatMap((session) => Array.from({ length: 25 }, () => verify(asleep, session)))
        const seen = statuses(await Promise.all([...asked, ...first]))
        t.strictSame(
          seen.filter((status) => ![401, 503].includes(status)),
          [],
          `it said ${seen.join()}`,
        )
        t.equal((await insist(() => verify(asleep, me))).status, 204)
        await isAsBefore(t, {
          ...world,
          live: [...world.live, me, done[2]?.body],
          over: [...world.over, out, all, device, { ...changed, refresh_token: out.refresh_token }],
        })
      })
    }
  },
)

/** An instance with a wall clock of its own. */
type Skewed = { readonly at: Service; readonly clock: FakeTime; readonly skew: number }

async function launchSkewed(t: Test, url: string, skew: number, env: Env = {}): Promise<Skewed> {
  const clock = await makeFakeTime(skew)
  t.teardown(clock.stop)
  return { at: await launch(t, url, { ...env, ...clock.env }), clock, skew }
}

/** Three instances whose clocks are a minute and a half behind, right, and as much ahead; `pass` makes time go by for all, Redis too. */
async function launchThree(t: Test, env: Env = {}) {
  const truth = await makeFakeTime(0)
  t.teardown(truth.stop)
  const redis = await startRedis({ env: truth.env })
  t.teardown(redis.stop)
  const three = (await Promise.all([-90, 0, 90].map((skew) => launchSkewed(t, redis.url, skew, env)))) as [
    Skewed,
    Skewed,
    Skewed,
  ]
  let passed = 0
  return {
    redis,
    three,
    all: three.map(({ at }) => at),
    pass: async (seconds: number) => {
      passed += seconds
      for (const { clock, skew } of three) await clock.shift(skew + passed)
      await truth.shift(passed)
    },
  }
}

t.test('instances whose own clocks are 90 s behind, right, and 90 s ahead', async (t) => {
  const { three, all, redis, pass } = await launchThree(t)
  const [slow, , fast] = three
  const world = await populate(all)

  await t.test('accept what the others issue, and refuse at once what one has revoked', async (t) => {
    for (const issuer of all) {
      for (const denier of all) {
        const [me, other] = [await register(issuer), await register(issuer)]
        for (const at of all) t.equal((await verify(at, me)).status, 204)
        t.equal((await logout(denier, me)).status, 204)
        const everywhere = { token: other.access_token, body: { scope: 'all' } }
        t.equal((await denier.call('POST', '/v1/logout', everywhere)).status, 204)
        for (const at of all) for (const session of [me, other]) await isOver(t, at, session)
      }
    }
    await isAsBefore(t, world)
  })

  await t.test('let a token live its life, wherever it was issued and is shown', async (t) => {
    const people = await Promise.all(all.map(register))
    const seen = async () => {
      const answers = await Promise.all(all.flatMap((at) => people.map((me) => insist(() => verify(at, me)))))
      return statuses(answers).join()
    }
    await pass(270) // of 285 s at least
    await eventually(async () => (await seen()) === '204', { within: 5000 })
    await pass(45) // of 300 s at most, and 10 s of leeway
    await eventually(async () => (await seen()) === '401', { within: 5000 })
    for (const at of all) for (const me of people) await goesOn(t, at, me)
  })

  await t.test('never see a revoked token again, however late: denials outlive what they deny', async (t) => {
    const over: Session[] = []
    for (const issuer of all) {
      for (const denier of all) {
        const me = await register(issuer)
        t.equal((await logout(denier, me)).status, 204)
        over.push(me)
      }
    }
    const codes = new Set<string>()
    for (let turn = 0; turn < 20; turn += 1) {
      for (const at of all) {
        const answers = await Promise.all([...over, ...world.over].map((session) => insist(() => verify(at, session))))
        for (const { status, body } of answers) codes.add(`${status} ${body.code}`)
      }
      await pass(30)
    }
    t.strictSame([...codes].toSorted(), ['401 token_expired', '401 token_revoked'])
    for (const at of all) {
      for (const session of world.live) await goesOn(t, at, session)
      for (const session of over) t.match(await refresh(at, session), { status: 401, body: { reason: 'logged_out' } })
      isUnbroken(t, at)
    }
  })

  await t.test('take no second tab for a thief: it asks a second later, and elsewhere', async (t) => {
    await sleep(1500) // the clock of Redis is asked four times a second
    for (const [first, second] of [
      [slow, fast],
      [fast, slow],
    ] as const) {
      const me = await register(first.at)
      const next = await refresh(first.at, me)
      t.equal((await verify(first.at, next.body)).status, 204)
      await sleep(1500) // the rotation is confirmed
      t.equal((await refresh(second.at, me)).status, 200)
      t.equal((await refresh(first.at, next.body)).status, 200, 'nobody is logged out')
    }
    for (const at of all) isUnbroken(t, at)
  })

  await t.test('take a thief for one: a spent token shown late is refused, whoever is asked', async (t) => {
    const stolen = await Promise.all([slow, fast].map(({ at }) => register(at)))
    for (const [turn, at] of [slow.at, fast.at].entries()) {
      const next = await refresh(at, stolen[turn] as Newcomer)
      t.equal((await verify(at, next.body)).status, 204)
    }
    await sleep(2000) // the rotation is confirmed
    await pass(12)
    await sleep(1500) // the clock of Redis is asked four times a second
    for (const [turn, at] of [fast.at, slow.at].entries())
      t.match(await refresh(at, stolen[turn] as Newcomer), { status: 401, body: { reason: 'token_reused' } })
  })

  await t.test('open no second grace when another clock says what it was when the token was spent', async (t) => {
    const stolen = await Promise.all([slow, fast, fast].map(({ at }) => register(at)))
    for (const [turn, at] of [slow.at, fast.at, fast.at].entries()) {
      const next = await refresh(at, stolen[turn] as Newcomer)
      t.equal((await verify(at, next.body)).status, 204)
    }
    await sleep(2000) // the rotation is confirmed
    for (const [turn, at] of [fast.at, slow.at, three[1].at].entries()) {
      if (turn < 2) await pass(87)
      await sleep(1500) // the clock of Redis is asked four times a second
      t.match(await refresh(at, stolen[turn] as Newcomer), { status: 401, body: { reason: 'token_reused' } })
    }
  })

  await t.test('forget a denial at last', async (t) => {
    await pass(100_000)
    t.equal(await redis.cli('KEYS', '*:denied-*'), '')
  })
})

t.test('an own clock that is set ends no session, and lets no token live longer', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const { at, clock } = await launchSkewed(t, redis.url, 0)
  const world = await populate([at])
  await sleep(1500) // the clock of Redis is asked four times a second
  for (const ahead of [3600, -3600, 0]) {
    const [live, out] = await Promise.all([world.spare(), world.spare()])
    t.equal((await logout(at, out)).status, 204)
    await clock.shift(ahead)
    t.equal((await verify(at, live)).status, 204, `${ahead} s`)
    await goesOn(t, at, live)
    await isOver(t, at, out)
    await isAsBefore(t, world)
  }
})

t.test('a second tab is no thief', async (t) => {
  await t.test('though it had to wait while the store was away', async (t) => {
    const world = await makeWorld(t, {
      args: ['--appendonly', 'yes', '--appendfsync', 'always'],
      env: { REFRESH_GRACE: '3s' },
    })
    const me = await world.spare()
    const next = (await refresh(world.one, me)).body
    t.equal((await verify(world.one, next)).status, 204)
    await world.redis.kill()
    const answer = eventually(async () => saidSomething(await refresh(world.one, me)), { within: 20_000 })
    await sleep(4000)
    await world.redis.restart()
    t.equal((await answer).status, 200)
    await goesOn(t, world.one, next)
    world.redis.freeze()
    await sleep(1000)
    world.redis.thaw()
    await isReady(world.one)
    t.equal((await refresh(world.one, me)).status, 200, 'and was away again for a moment')
    await sleep(3500)
    t.match(await refresh(world.one, me), { status: 401, body: { reason: 'token_reused' } }, 'the grace has an end')
  })

  await t.test('though the clock of Redis was set in between', async (t) => {
    const clock = await makeFakeTime(0)
    t.teardown(clock.stop)
    const redis = await startRedis({ env: clock.env })
    t.teardown(redis.stop)
    const all = await Promise.all([1, 2].map(() => launch(t, redis.url)))
    const [one, two] = all as [Service, Service]
    for (const ahead of [15, -15]) {
      const me = await register(one)
      const next = (await refresh(one, me)).body
      t.equal((await verify(one, next)).status, 204)
      await clock.shift(ahead)
      await sleep(2500) // that has been seen, and the rotation is confirmed
      t.equal((await refresh(two, me)).status, 200)
      await goesOn(t, one, next)
    }
  })
})

const saidSomething = (answer: Answer<any>) => answer.status !== 503 && answer

t.test('the clock of the Redis host jumps', async (t) => {
  for (const jump of [200, -86_400, 32_400]) {
    await t.test(`by ${jump} s: no session is lost, no revoked token comes back, and the grace ends`, async (t) => {
      const clock = await makeFakeTime(0)
      t.teardown(clock.stop)
      const redis = await startRedis({ env: clock.env })
      t.teardown(redis.stop)
      const all = await Promise.all([1, 2].map(() => launch(t, redis.url, { REFRESH_GRACE: '2s' })))
      const world = await populate(all)
      const me = await world.spare()
      const next = (await refresh(world.one, me)).body
      t.equal((await verify(world.one, next)).status, 204)
      await clock.shift(jump)
      // A token that is issued now may expire at once: an instance asks for the time four times a second.
      for (const at of all) {
        for (const session of world.live) Object.assign(session, (await insist(() => refresh(at, session))).body)
      }
      await sleep(1500)
      // Set ahead by hours, the clock soon says of a token that it has expired before anybody asks whether it was revoked.
      const code = jump > 3600 ? /^token_(expired|revoked)$/ : 'token_revoked'
      await isAsBefore(t, world, code)
      await sleep(2500)
      t.match(await refresh(world.one, me), { status: 401, body: { reason: 'token_reused' } })
      for (const at of all) await isOver(t, at, next, code)
      const late = await world.spare()
      t.equal((await logout(world.one, late)).status, 204)
      for (const at of all) await isOver(t, at, late)
    })
  }
})
