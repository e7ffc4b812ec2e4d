import t from 'tap'
import { keys } from '../../src/store/keys.ts'
import type { Store } from '../../src/store/store.ts'
import { type AdminHome, openAdminHome } from '../support/admin.ts'
import { aUser, writeUsers } from '../support/many-users.ts'
import { startCluster, startRedis } from '../support/redis.ts'

// Walks over all users while others come and go: each user that is there throughout is met.

const [redis, cluster] = await Promise.all([startRedis(), startCluster()])
t.teardown(() => Promise.all([redis.stop(), cluster.stop()]))
const STORES: Record<string, { env: Record<string, string>; aCommit: number }> = {
  LMDB: { env: {}, aCommit: 1000 },
  'a Redis': { env: { REDIS_URL: redis.url }, aCommit: 1000 },
  'a Redis Cluster': { env: { REDIS_URL: cluster.url }, aCommit: 1 },
}
const AT_ONCE = 100
/** As many come before any goes again: Redis makes its table larger, and then smaller, under the walk. */
const CROWD = 8

/** Lets people come and go until `isOver`; resolves to how many have come. */
async function comeAndGo(store: Store, aCommit: number, isOver: () => boolean): Promise<number> {
  const idsOf = (round: number) => Array.from({ length: AT_ONCE }, (_, place) => `${place}-comes-${round}`)
  let round = 0
  for (; !isOver(); round += 1) {
    await writeUsers(
      store,
      idsOf(round).map((id) => aUser(id)),
      aCommit,
    )
    if (round % (2 * CROWD) < CROWD) continue
    for (const gone of [round - CROWD, round]) {
      const users = idsOf(gone).map((id) => keys.user(id))
      for (let at = 0; at < users.length; at += aCommit)
        await store.commit({ checks: [], puts: [], deletes: users.slice(at, at + aCommit), mayBeLost: true })
    }
  }
  return round * AT_ONCE
}

async function walkByPages({ admin }: AdminHome, met: Set<string>): Promise<number> {
  for (let [pages, cursor] = [1, '']; ; pages += 1) {
    const { body } = await admin('GET', `/admin/v1/users?limit=50${cursor}`)
    for (const { id } of body.users) met.add(id)
    if (body.next === undefined) return pages
    cursor = `&cursor=${body.next}`
  }
}

async function walkByExport({ admin }: AdminHome, met: Set<string>): Promise<number> {
  for (let [answers, cursor] = [1, '']; ; answers += 1) {
    const { body } = await admin<string>('GET', `/admin/v1/export${cursor}`)
    const lines = body
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
    for (const { id } of lines) met.add(id)
    const { next } = lines.at(-1) ?? {}
    if (next === undefined) return answers
    cursor = `?cursor=${next}`
  }
}

for (const [name, { env, aCommit }] of Object.entries(STORES)) {
  t.test(`whoever stays is met by a list and by an export while others come and go, on ${name}`, async (t) => {
    const home = await openAdminHome(t, env)
    const { store } = home.deps
    const staying = Array.from({ length: 3000 }, (_, place) => `${place}-stays`)
    await writeUsers(
      store,
      staying.map((id) => aUser(id)),
      aCommit,
    )
    let isOver = false
    const crowd = comeAndGo(store, aCommit, () => isOver)
    for (const [kind, walk] of Object.entries({ list: walkByPages, export: walkByExport })) {
      const met = new Set<string>()
      const steps = await walk(home, met)
      t.strictSame(
        staying.filter((id) => !met.has(id)),
        [],
        kind,
      )
      if (kind === 'list') t.ok(steps > 5, `${steps} pages`)
    }
    isOver = true
    t.ok((await crowd) > 0)
  })
}
