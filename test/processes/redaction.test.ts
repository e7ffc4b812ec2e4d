import { Redis } from 'ioredis'
import type { Logger } from 'pino'
import t, { type Test } from 'tap'
import { makeLogger } from '../../src/process/log.ts'
import { StoreUnavailable } from '../../src/store/store.ts'
import { launchRedis } from '../support/world.ts'

// The second wall before the log: what should never be logged, logged.

const CANARY = 'tweety-4f1c'

/** Logs, at the lowest level; the line that came of it must not have the canary in it. */
function lineOf(t: Test, log: (logger: Logger) => void): Record<string, any> {
  const lines: string[] = []
  log(makeLogger('trace', { write: (line) => void lines.push(line) }))
  t.equal(lines.length, 1)
  const [line = ''] = lines
  t.notMatch(line, CANARY)
  return JSON.parse(line)
}

async function errorOf(work: Promise<unknown>): Promise<Error & { command?: { args: unknown[] } }> {
  return work.then(
    () => Promise.reject(new Error('it should have failed')),
    (error: Error) => error,
  )
}

t.test('a field with the name of a secret is covered, wherever it stands', async (t) => {
  for (const name of ['authorization', 'cookie', 'password', 'token', 'secret']) {
    const secret = { [name]: CANARY }
    t.match(
      lineOf(t, (logger) => logger.info(secret)),
      { [name]: '[redacted]' },
    )
    t.match(
      lineOf(t, (logger) => logger.info({ body: secret })),
      { body: { [name]: '[redacted]' } },
    )
    t.match(
      lineOf(t, (logger) => logger.warn({ request: { headers: secret } }, 'odd')),
      {
        request: { headers: { [name]: '[redacted]' } },
      },
    )
    t.match(
      lineOf(t, (logger) => logger.child(secret).error('odd')),
      { [name]: '[redacted]' },
    )
    lineOf(t, (logger) => logger.error({ err: Object.assign(new Error('odd'), secret) }))
  }
})

t.test(
  'of an error its name, message, stack and causes are told, and nothing that a driver has hung on it',
  async (t) => {
    const redis = await launchRedis(t)
    const client = new Redis(redis.url)
    t.teardown(() => client.disconnect())
    const cause = await errorOf(client.incr(CANARY).then(() => client.hincrby(CANARY, CANARY, 1)))
    t.strictSame(cause.command?.args, [CANARY, CANARY, '1'], 'or this shows nothing')

    for (const error of [
      cause,
      new StoreUnavailable('odd', { cause }),
      new Error('odd', { cause: new Error('odder', { cause }) }),
    ]) {
      for (const log of [
        (logger: Logger) => logger.error({ err: error }, 'it failed'),
        (logger: Logger) => logger.fatal(error, 'it failed'),
        (logger: Logger) => logger.child({ err: error }).error('it failed'),
      ]) {
        const { err, msg } = lineOf(t, log)
        t.equal(msg, 'it failed')
        t.match(err, { type: error.name, message: error.message, stack: /redaction\.test|ioredis|redis-parser/ })
        t.match(JSON.stringify(err), 'WRONGTYPE', 'the reason is told')
      }
    }
  },
)

t.test('what is thrown and is no error is not told', async (t) => {
  for (const thrown of [CANARY, { password: CANARY, message: CANARY }, [CANARY]]) {
    const { err } = lineOf(t, (logger) => logger.error({ err: thrown }, 'it failed'))
    t.strictSame(err, { type: typeof thrown, message: 'not an error' })
    t.match(lineOf(t, (logger) => logger.error({ err: new Error('odd', { cause: thrown }) })).err.cause, err)
  }
})

t.test('an error that is its own cause is told, too', async (t) => {
  const error = new Error('odd')
  error.cause = new Error('odder', { cause: error })
  t.match(
    lineOf(t, (logger) => logger.error({ err: error })),
    { err: { message: 'odd', cause: { message: 'odder' } } },
  )
})

t.test('a request and an answer are not told', async (t) => {
  const headers = { 'x-odd': CANARY }
  const line = lineOf(t, (logger) => logger.info({ req: { url: `/${CANARY}`, headers }, res: { headers } }, 'odd'))
  t.notOk('req' in line || 'res' in line)
})
