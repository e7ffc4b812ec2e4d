import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { freePort } from '../support/free-port.ts'
import { TEST_SECRET } from '../support/env.ts'
import type { Newcomer } from '../support/home.ts'
import {
  CHEAP,
  countBy,
  type Env,
  folder,
  ISSUER,
  redisEnv,
  register,
  run,
  start,
  type Tokens,
} from '../support/life.ts'
import type { Service } from '../support/service.ts'
import { eventually } from '../support/settle.ts'

// The signing key is replaced while instances sign and verify.

const kidOf = ({ access_token }: Pick<Tokens, 'access_token'>): string =>
  JSON.parse(Buffer.from(access_token.split('.')[0] ?? '', 'base64url').toString()).kid
t.test('rotate-keys without its Redis says that it cannot be reached', async (t) => {
  const env = { REDIS_URL: `redis://127.0.0.1:${await freePort()}`, AUTH_SECRET: TEST_SECRET, LOG_LEVEL: 'silent' }
  t.match(await run(env, 'rotate-keys'), { code: 1, output: /^Redis at 127\.0\.0\.1:\d+: Redis cannot be reached; / })
})

t.test('rotate-keys', { jobs: 2 }, async (t) => {
  const on = (store: 'Redis' | 'LMDB') =>
    t.test(`on ${store}`, { buffered: true }, async (t) => {
      const place = store === 'Redis' ? await redisEnv(t) : { DATA_DIR: await folder(t) }
      const env: Env = { ...place, KEY_ROTATION: '20s' } // instances look for news every quarter of that
      const fleet = await Promise.all([1, 2, 3].map(() => start(t, env, CHEAP)))
      const people = await Promise.all(fleet.map(register))
      const kids = async (): Promise<Set<string>> => {
        const { body } = await (fleet[0] as Service).call('GET', '/.well-known/jwks.json')
        return new Set(body.keys.map(({ kid }: { kid: string }) => kid))
      }
      const rotate = async () => {
        const { code, output } = await run({ ISSUER, ...env }, 'rotate-keys')
        if (code !== 0) throw new Error(output)
      }

      /** The key that an instance signs with now; every instance must verify what it has signed, and what there was before. */
      async function look(index: number, failures: string[]): Promise<string> {
        const me = people[index] as Newcomer
        const next = await (fleet[index] as Service).call('POST', '/v1/refresh', {
          body: { refresh_token: me.refresh_token },
        })
        people[index] = { ...me, refresh_token: next.body.refresh_token }
        for (const at of fleet) {
          for (const token of [next.body.access_token, me.access_token]) {
            const { status, body } = await at.call('GET', '/v1/verify', { token })
            if (status !== 204) failures.push(`${status} ${body.code}`)
          }
        }
        return kidOf(next.body)
      }

      /** Watches until all instances sign with one key that is none of `old`; says which, and which verifications have failed. */
      async function settle(old: ReadonlySet<string>): Promise<{ kid: string; failures: string[] }> {
        const failures: string[] = []
        const found = await eventually(
          async () => {
            const now = new Set(await Promise.all(fleet.map((_, index) => look(index, failures))))
            const [kid = ''] = now
            return now.size === 1 && !old.has(kid) && kid
          },
          { within: 25_000 },
        )
        return { kid: found, failures }
      }

      await t.test('makes running instances sign with the published next key, and no verification fails', async (t) => {
        const first = new Set(people.map(kidOf))
        t.equal(first.size, 1)
        const published = await kids()
        await rotate()
        const { kid, failures } = await settle(first)
        t.ok(published.has(kid), 'it had been published before it signed')
        t.strictSame([...countBy(failures)], [])
      })

      await t.test('run twice more at once, it refuses or goes on, and no verification fails', async (t) => {
        for (const { code, output } of [
          await run({ ISSUER, ...env }, 'rotate-keys'),
          await run({ ISSUER, ...env }, 'rotate-keys'),
        ]) {
          t.ok(code === 0 || (code === 1 && output.length > 0), output.split('\n')[0] ?? '')
        }
        // Long enough for every instance to look for news, one after the other.
        const failures: string[] = []
        for (const until = performance.now() + 6500; performance.now() < until; await sleep(200)) {
          await Promise.all(fleet.map((_, index) => look(index, failures)))
        }
        t.strictSame([...countBy(failures)], [])
      })
    })
  await Promise.all([on('Redis'), on('LMDB')])
})
