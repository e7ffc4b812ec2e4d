import t from 'tap'
import { keys } from '../../src/store/keys.ts'
import { StoreUnavailable } from '../../src/store/store.ts'
import { openAdminHome } from '../support/admin.ts'
import { openHomeShell } from '../support/admin-shell.ts'
import { startRedis } from '../support/redis.ts'
import { type Command, keysOf, makeWatched } from '../support/watched-store.ts'

// A removal whose answer was lost is asked for again.

const redis = await startRedis()
t.teardown(redis.stop)

for (const [store, env] of Object.entries({ LMDB: {}, Redis: { REDIS_URL: redis.url } }))
  t.test(`nobody is told that an account is gone before that is safe with the replicas, on ${store}`, async (t) => {
    const watched = makeWatched()
    const home = await openAdminHome(t, env, { store: watched.around })
    const me = await home.newcomer()
    const remove = () => home.admin('DELETE', `/admin/v1/users/${me.user.id}`)
    const written: string[][] = []
    watched.watch = async (command, run) => {
      const result = await run()
      if (command.kind !== 'commit') return result
      written.push(putsOf(command))
      throw new StoreUnavailable('too few replicas have acknowledged')
    }
    for (let tries = 1; tries <= 3; tries += 1) {
      t.match(await remove(), { status: 503, body: { code: 'store_unavailable' } }, `try ${tries}`)
      t.ok(written.at(-1)?.includes(keys.deniedBelow(me.user.id)))
    }
    watched.watch = null
    t.equal((await remove()).status, 404)
    t.match(await home.call('GET', '/v1/verify', { token: me.access_token }), { body: { code: 'token_revoked' } })
    t.equal(home.events('account.deleted').length, 0, 'what is in doubt is not recorded')

    watched.watch = async (command, run) => {
      t.not(command.kind, 'commit', 'whoever was never there costs no write')
      return run()
    }
    t.equal((await home.admin('DELETE', '/admin/v1/users/nobody')).status, 404)
  })

const putsOf = (command: Command) => (command.kind === 'commit' ? command.commit.puts.map(({ key }) => key) : [])

t.test('the order to delete is done when a repeat finds nobody; one for nobody is refused', async (t) => {
  const watched = makeWatched()
  const home = await openAdminHome(t, {}, { store: watched.around })
  const shell = await openHomeShell(home)
  const me = await home.newcomer()
  watched.watch = async (command, run) => {
    const result = await run()
    if (command.kind !== 'commit' || !keysOf(command).includes(keys.user(me.user.id))) return result
    watched.watch = null
    throw new StoreUnavailable('the answer was lost')
  }
  t.match(await shell(['delete', me.email]), { code: 0, lines: [], errors: '' })
  t.equal(watched.watch, null)
  t.match(await shell(['delete', me.user.id]), { code: 1, errors: /404 not_found/ })
})
