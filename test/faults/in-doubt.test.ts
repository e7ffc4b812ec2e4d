import t from 'tap'
import { USER_ENDING } from '../../src/store/keys.ts'
import type { Store } from '../../src/store/store.ts'
import { appOf, firstStep, secondStep, withApp } from '../support/factors.ts'
import type { Answer } from '../support/home.ts'
import { openMailHome } from '../support/mail-home.ts'
import { startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'

// What is written, and not yet safe with a replica, has been answered 503. Whoever asks the same again is not told that it is done
// until no failover can lose it.

t.test('what is in doubt stays so, however often it is repeated, until the replica has it', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', `${redis.port}`] })
  t.teardown(replica.stop)
  let isNext = false
  const store = (real: Store): Store => ({
    ...real,
    async commit(commit) {
      if (isNext && commit.puts.some(({ key }) => key.endsWith(USER_ENDING))) replica.freeze()
      return real.commit(commit)
    },
  })
  const home = await openMailHome(t, { REDIS_URL: redis.url }, { store })
  const isSeen = async () => (await home.deps.store.weaknesses()).join().includes('min-replicas-to-write')
  await eventually(isSeen, { within: 5000 })

  const newcomer = async () => eventually(() => home.newcomer().catch(() => false as const), { within: 10_000 })
  const [forgetful, mover, verifier, enroller, remover, visitor, renewer, prover] = [
    await newcomer(),
    await newcomer(),
    await newcomer(),
    await newcomer(),
    await withApp(home, await newcomer()),
    await withApp(home, await newcomer()),
    await withApp(home, await newcomer()),
    await withApp(home, await newcomer()),
  ]
  const { token } = await home.forgot(forgetful.email)
  const next = `next-${mover.email}`
  const moving = await home.letterAfter(next, () =>
    home.call('POST', '/v1/email/change', { token: mover.access_token, body: { new_email: next } }),
  )
  const verifying = await home.letterAfter(verifier.email, () =>
    home.call('POST', '/v1/email/verification', { token: verifier.access_token }),
  )
  const begun = await home.call('POST', '/v1/factors/totp', { token: enroller.access_token })
  const app = appOf(home, begun.body.secret)
  const { challenge } = await firstStep(home, visitor)
  const codes = { confirming: app.code(), entering: visitor.app.code(), proving: prover.app.code() }

  const asks: Readonly<Record<string, readonly [done: number, ask: () => Promise<Answer>]>> = {
    'a reset': [
      204,
      () =>
        home.call('POST', '/v1/password/reset', { body: { token, new_password: 'nine blue umbrellas on the roof' } }),
    ],
    'a change of the address': [
      200,
      () => home.call('POST', '/v1/email/change/confirm', { token: mover.access_token, body: { token: moving.token } }),
    ],
    'a verification': [
      200,
      () => home.call('POST', '/v1/email/verify', { token: verifier.access_token, body: { token: verifying.token } }),
    ],
    'new recovery codes': [
      200,
      () =>
        home.call('POST', '/v1/factors/recovery-codes', { token: renewer.access_token, body: { request_id: 'one' } }),
    ],
    'a step-up': [
      200,
      () => home.call('POST', '/v1/step-up', { token: prover.access_token, body: { totp: codes.proving } }),
    ],
    'an enrolment': [
      200,
      () =>
        home.call('POST', '/v1/factors/totp/confirm', {
          token: enroller.access_token,
          body: { code: codes.confirming },
        }),
    ],
    'a removal': [204, () => home.call('DELETE', '/v1/factors/totp', { token: remover.access_token })],
    'the second step of a login': [200, () => secondStep(home, challenge, { totp: codes.entering })],
  }
  for (const [what, [done, ask]] of Object.entries(asks)) {
    isNext = true // what goes before, a mail that is announced, the replica still gets
    t.strictSame([(await ask()).status, (await ask()).status], [503, 503], what)
    isNext = false
    replica.thaw()
    await t.resolves(
      eventually(async () => (await ask()).status === done, { within: 5000 }),
      `${what}: ${done}`,
    )
  }
})
