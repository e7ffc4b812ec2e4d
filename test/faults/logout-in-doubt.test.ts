import t from 'tap'
import { openHome } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'

// A logout that is written, and not yet safe with a replica, has been answered 503. Whatever the client shows then, nobody
// may tell it that the token is dead until no failover can bring it back.

t.test(
  'a logout that is in doubt stays so, however often and by whatever it is repeated, until the replica has it',
  async (t) => {
    const redis = await startRedis()
    t.teardown(redis.stop)
    const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', `${redis.port}`] })
    t.teardown(replica.stop)
    const home = await openHome({ REDIS_URL: redis.url })
    t.teardown(home.close)
    const isSeen = async () => (await home.deps.store.weaknesses()).join().includes('min-replicas-to-write')
    await eventually(isSeen, { within: 5000 })
    const newcomer = async () => eventually(() => home.newcomer().catch(() => false as const), { within: 10_000 }) // the replica is slow at first
    const [me, you, they] = [await newcomer(), await newcomer(), await newcomer()]
    const passwords = { current_password: they.password, new_password: `${they.password} again` }
    const asks = {
      'an access token': () => home.call('POST', '/v1/logout', { token: me.access_token }),
      'a refresh token': () => home.call('POST', '/v1/logout', { body: { refresh_token: you.refresh_token } }),
      'an access token that a password change in doubt has replaced': () =>
        home.call('POST', '/v1/logout', { token: they.access_token }),
    }
    replica.freeze()
    const changed = await home.call('POST', '/v1/password', { token: they.access_token, body: passwords })
    t.equal(changed.status, 503)
    for (const [what, ask] of Object.entries(asks)) {
      t.strictSame([(await ask()).status, (await ask()).status], [503, 503], what)
    }
    replica.thaw()
    for (const [what, ask] of Object.entries(asks)) {
      await eventually(async () => (await ask()).status === 204, { within: 5000 })
      t.pass(`${what}: 204`)
    }
    t.notOk((await replica.cli('KEYS', `{${me.user.id}}:denied-session:*`)) === '', 'and the replica has it')
  },
)
