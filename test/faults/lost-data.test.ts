import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { TEST_SECRET } from '../support/env.ts'
import { removeFolder, temporaryFolder } from '../support/redis-process.ts'
import { startRedis } from '../support/redis.ts'
import { refusesAll } from '../support/refusals.ts'
import type { Service } from '../support/service.ts'
import { eventually } from '../support/settle.ts'
import {
  goesOn,
  insist,
  isAsBefore,
  isOver,
  isReady,
  isUnbroken,
  ISSUER,
  launch,
  login,
  logout,
  makeWorld,
  populate,
  refresh,
  register,
  type RedisWorld,
  type Session,
  verify,
  type World,
} from '../support/world.ts'

// Redis has lost or changed what it was told: nothing that was revoked may come back by that.

/** Nobody of before is let in by any instance, and whoever comes anew is. */
async function isForgotten(t: Test, { all, live, over }: Pick<World, 'all' | 'live' | 'over'>): Promise<void> {
  for (const at of all) {
    await isReady(at)
    for (const session of [...live, ...over]) {
      t.equal((await insist(() => verify(at, session))).status, 401)
      t.match(await insist(() => refresh(at, session)), { status: 401, body: { code: 'session_over' } })
    }
    const me = await register(at)
    for (const other of all) t.equal((await insist(() => verify(other, me))).status, 204, 'life goes on')
    isUnbroken(t, at)
  }
}

/** A key is put aside, something of another type is in its place, and at the end it is there again. */
async function mistyped({ redis }: RedisWorld, key: string, during: () => Promise<void>): Promise<void> {
  const isThere = (await redis.cli('EXISTS', key)) === '1'
  if (isThere) await redis.cli('RENAME', key, `${key}:aside`)
  await redis.cli('LPUSH', key, 'x')
  await during()
  await redis.cli('DEL', key)
  if (isThere) await redis.cli('RENAME', `${key}:aside`, key)
}

const subjectOf = ({ access_token }: Session): string =>
  JSON.parse(Buffer.from(access_token.split('.')[1] ?? '', 'base64url').toString())['sub']

t.test('the keys of the service', async (t) => {
  const world = await makeWorld(t, { instances: 2 })
  const { one, redis } = world

  await t.test('its identity of another type: 503, until it is there again', async (t) => {
    const me = await world.spare()
    await mistyped(world, '{latchkey}:identity', () => refusesAll(t, one, me, world.inCookies.cookie, { rounds: 1 }))
    await isAsBefore(t, world)
  })

  await t.test('its signing keys or its tide of another type: 503 or right, until they are there again', async (t) => {
    for (const key of ['{latchkey}:signing-keys', '{latchkey}:tide']) {
      const me = await world.spare()
      await mistyped(world, key, async () => {
        for (const at of world.all) {
          for (const session of world.live) t.ok([204, 503].includes((await verify(at, session)).status))
          for (const session of world.over) t.ok([401, 503].includes((await verify(at, session)).status))
          t.ok([204, 503].includes((await logout(at, me)).status))
          t.ok([200, 503].includes((await login(at, me)).status))
        }
      })
      t.equal((await insist(() => logout(one, me))).status, 204)
      await isAsBefore(t, { ...world, over: [...world.over, me] })
    }
  })

  await t.test('an account of another type: 503, until it is there again', async (t) => {
    const me = await world.spare()
    await mistyped(world, `{${me.user.id}}:user`, async () => {
      t.equal((await login(one, me)).status, 503)
      t.equal((await one.call('GET', '/v1/me', { token: me.access_token })).status, 503)
    })
    t.equal((await login(one, me)).status, 200)
    await isAsBefore(t, world)
  })

  await t.test('a denial that is no JSON of ours: 503, never 2xx', async (t) => {
    const [session] = world.over as [Session]
    const key = `{${subjectOf(session)}}:denied-session:${session.session_id}`
    const kept = await redis.cli('GET', key)
    await redis.cli('SET', key, 'rubbish', 'KEEPTTL')
    for (const at of world.all) t.equal((await verify(at, session)).status, 503)
    await redis.cli('SET', key, kept, 'KEEPTTL')
    await isAsBefore(t, world)
  })

  await t.test('its signing keys gone: others are made, sessions go on, what was revoked stays so', async (t) => {
    await redis.cli('DEL', '{latchkey}:signing-keys')
    for (const at of world.all) {
      for (const session of world.live) {
        t.ok([204, 401, 503].includes((await verify(at, session)).status))
        Object.assign(session, (await insist(() => refresh(at, session))).body)
      }
      for (const session of world.over) t.ok([401, 503].includes((await verify(at, session)).status))
    }
    // An instance looks for news every quarter of a minute; until then it signs with a key that nobody else finds.
    await eventually(
      async () => {
        for (const session of world.live) {
          for (const from of world.all) {
            Object.assign(session, (await insist(() => refresh(from, session))).body)
            for (const at of world.all) if ((await verify(at, session)).status !== 204) return false
          }
        }
        return (await redis.cli('EXISTS', '{latchkey}:signing-keys')) === '1'
      },
      { within: 45_000 },
    )
    for (const at of world.all) {
      for (const session of world.live) await goesOn(t, at, session)
      for (const session of world.over) {
        t.equal((await insist(() => verify(at, session))).status, 401)
        t.equal((await insist(() => refresh(at, session))).status, 401)
      }
      isUnbroken(t, at)
    }
  })

  await t.test('its identity gone: it is another store, and everybody logs in again', async (t) => {
    await redis.cli('DEL', '{latchkey}:identity')
    for (const at of world.all) {
      for (const session of [...world.live, ...world.over]) {
        t.ok([401, 503].includes((await verify(at, session)).status))
        t.ok([401, 503].includes((await refresh(at, session)).status))
      }
    }
    await isForgotten(t, world)
  })
})

t.test('a Redis that only takes snapshots, killed', async (t) => {
  const world = await makeWorld(t, { instances: 2, args: ['--dbfilename', 'dump.rdb'] })
  const { one, redis } = world

  await t.test('is said to be forgetful by the readiness', async (t) => {
    t.match(await one.call('GET', '/readyz'), { status: 200, body: { warnings: [/append-only/] } })
  })

  await t.test('right after a snapshot, it has lost nothing', async (t) => {
    await redis.cli('SAVE')
    await redis.kill()
    await redis.restart()
    await isAsBefore(t, world)
  })

  await t.test('after a rotation that it has lost, the session heals', async (t) => {
    const me = await world.spare()
    await redis.cli('SAVE')
    const { body } = await refresh(one, me)
    Object.assign(me, body)
    await redis.kill()
    await redis.restart()
    await goesOn(t, one, me)
    t.equal(one.events('session.refreshed').at(-1)?.['how'], 'heal')
    await isAsBefore(t, world)
  })

  for (const [turn, who] of ['the instance that was answered it', 'every instance that was answered later'].entries()) {
    await t.test(`after a revocation that it has lost, ${who} lets nobody in: all log in again`, async (t) => {
      const me = await world.spare()
      const others = world.all.filter((at) => at !== one)
      await redis.cli('SAVE')
      t.equal((await logout(one, me)).status, 204)
      if (turn === 1) for (const other of others) await register(other)
      await redis.kill()
      await redis.restart()
      for (const at of turn === 1 ? world.all : [one]) {
        for (const ask of [verify, refresh]) {
          const { status } = await ask(at, me)
          t.ok([401, 503].includes(status), `${status}`)
        }
      }
      await isForgotten(t, { ...world, over: [...world.over, me] })
      const isReplaced = (at: Service) => at.events('store.replaced').length === turn + 1
      await Promise.all(world.all.map((at) => eventually(() => isReplaced(at), { within: 20_000 })))
    })
  }
})

t.test('a backup is restored while no instance runs', async (t) => {
  const dir = await temporaryFolder()
  t.teardown(() => removeFolder(dir))
  const [file, backup] = [join(dir, 'dump.rdb'), join(dir, 'backup.rdb')]
  const redis = await startRedis({ dir, args: ['--dbfilename', 'dump.rdb'] })
  t.teardown(redis.stop)
  const before = await launch(t, redis.url)
  const world = await populate([before])
  const me = await world.spare()
  await redis.cli('SAVE')
  await copyFile(file, backup)
  t.equal((await logout(before, me)).status, 204)
  await isOver(t, before, me)
  await before.kill()
  await redis.kill()
  await copyFile(backup, file)
  await redis.restart()
  const all: Service[] = await Promise.all([1, 2].map(() => launch(t, redis.url)))

  await t.test('what was revoked since lives, as nobody is left who could know; all else is as it was', async (t) => {
    for (const at of all) t.equal((await verify(at, me)).status, 204)
    await isAsBefore(t, { ...world, all })
  })

  await t.test('revoke-everything ends every token and session of before, on all that run, at once', async (t) => {
    for (const at of all) await goesOn(t, at, me)
    await revokeEverything({ REDIS_URL: redis.url })
    for (const at of all) {
      for (const session of [me, ...world.live]) {
        t.ok([401, 503].includes((await verify(at, session)).status))
        t.ok([401, 503].includes((await refresh(at, session)).status))
      }
    }
    await isForgotten(t, { ...world, all, over: [...world.over, me] })
    const again = await login(all[0] as Service, me)
    t.equal(again.status, 200, 'accounts and passwords are there')
    for (const at of all) t.equal((await verify(at, again.body)).status, 204)
  })

  await t.test('it stays ended when that backup is restored once more', async (t) => {
    await redis.kill()
    await copyFile(backup, file)
    await redis.restart()
    await isForgotten(t, { ...world, all, over: [...world.over, me] })
  })

  await t.test('revoke-everything touches no keys that it cannot read, and no store that is not there', async (t) => {
    const you = await register(all[0] as Service)
    const stranger = { REDIS_URL: redis.url, AUTH_SECRET: randomBytes(32).toString('base64url') }
    await t.rejects(revokeEverything(stranger), { code: 1, stderr: /AUTH_SECRET.*--secret-is-lost/ })
    await t.rejects(revokeEverything({ DATA_DIR: join(dir, 'none') }), { code: 1, stderr: /no store/ })
    for (const at of all) await goesOn(t, at, you)
    t.match(await revokeEverything({ REDIS_URL: redis.url }, '--secret-is-lost'), { stdout: /is dead/ })
    await isForgotten(t, { ...world, all, over: [you] })
  })
})

/** The command, in an environment of its own. */
function revokeEverything(env: Record<string, string>, ...words: string[]) {
  const main = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))
  const whole = { PATH: process.env['PATH'], ISSUER, AUTH_SECRET: TEST_SECRET, ...env }
  return promisify(execFile)(process.execPath, [main, 'revoke-everything', ...words], { env: whole })
}
