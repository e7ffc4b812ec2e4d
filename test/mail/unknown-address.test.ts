import t from 'tap'
import { cannotTell } from '../support/alike.ts'
import { often } from '../support/amount.ts'
import type { Answer } from '../support/home.ts'
import { type MailHome, openMailHome as openHome } from '../support/mail-home.ts'
import { startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'
import { type Command, keysOf, makeWatched, type Watched } from '../support/watched-store.ts'
import { QUEUE_KEYS } from '../../src/mail/outbox.ts'
import { keys } from '../../src/store/keys.ts'

// Nobody learns from the service who has an account: not by an answer, not by what it costs, not by when a limit is reached.
// The sender stands still where commands are counted and times are taken: it works after the answer.

const NEW = 'nine blue umbrellas on the roof'
const redis = await startRedis()
t.teardown(redis.stop)
const STORES: Record<string, Record<string, string>> = { LMDB: {}, Redis: { REDIS_URL: redis.url } }

/** On an empty store: the limits of other homes are not met. */
async function openMailHome(...given: Parameters<typeof openHome>): Promise<MailHome> {
  await redis.cli('FLUSHALL')
  return openHome(...given)
}

let addresses = 0
const freeAddress = () => `unknown-${(addresses += 1)}-${process.pid}-${Date.now()}@example.org`

type Ask = (email: string) => Promise<Answer>

/** What is asked with an address, by somebody who wants to know whether it has an account. */
interface Question {
  readonly ask: Ask
  readonly status: number
}

async function questionsAt(home: MailHome): Promise<Record<string, Question>> {
  const { access_token: token } = await home.newcomer()
  const forgot: Ask = (email) => home.call('POST', '/v1/password/forgot', { body: { email } })
  const reset: Ask = (email) =>
    home.call('POST', '/v1/password/reset', { body: { email, code: '00000000', new_password: NEW } })
  const change: Ask = (new_email) => home.call('POST', '/v1/email/change', { token, body: { new_email } })
  return {
    'POST /v1/password/forgot': { ask: forgot, status: 202 },
    'POST /v1/password/reset with a wrong code': { ask: reset, status: 400 },
    'POST /v1/email/change': { ask: change, status: 202 },
  }
}

/** What everybody can see of an answer, but for the moment and the number of the request. */
function seen({ status, headers, body }: Answer) {
  const { date, 'x-request-id': id, ...others } = headers
  return { status, headers: others, names: Object.keys(headers), isDated: [typeof date, typeof id], body }
}

/** The kind of a key: what is left of it without the ids of users, mails and queues. */
const kindOf = (key: string) =>
  key
    .replace(/\{[^}]*\}/, '')
    .replace(/:mail:.*/, ':mail')
    .replace(/:queue:\d+/, ':queue')

/** What the keyring reads of its own accord, whenever it is time. */
const KEYRING = keys.signingKeys

/** The commands that asking takes, each with the kinds of its keys. */
async function commandsOf(watched: Watched, ask: () => Promise<unknown>): Promise<readonly string[]> {
  const commands: Command[] = []
  watched.watch = (command, run) => {
    if (!keysOf(command).includes(KEYRING)) commands.push(command)
    return run()
  }
  await ask()
  watched.watch = null
  return commands.map((command) => `${command.kind} ${keysOf(command).map(kindOf).join()}`)
}

/** Forgets what waits, as a sender would. */
async function emptyQueues({ deps }: MailHome): Promise<void> {
  await deps.store.commit({ checks: [], puts: [], deletes: QUEUE_KEYS })
}

for (const [store, env] of Object.entries(STORES)) {
  const requests = often(store === 'LMDB' ? 10_000 : 2000)
  t.test(`a known and an unknown address, on ${store}`, async (t) => {
    const watched = makeWatched()
    const home = await openMailHome(t, env, { store: watched.around })
    const owned: string[] = []
    while (owned.length < 20) owned.push((await home.newcomer()).email)
    const free = owned.map(freeAddress)
    await home.deps.sender?.stop()

    for (const [name, { ask, status }] of Object.entries(await questionsAt(home))) {
      await t.test(name, async (t) => {
        const [mine, nobodys] = [owned[0] as string, free[0] as string]
        for (const turn of ['first', 'again']) {
          const answers = [await ask(mine), await ask(nobodys)] as const
          t.equal(answers[0].status, status)
          t.strictSame(seen(answers[1]), seen(answers[0]), `the answer, ${turn}`)
        }
        for (const turn of [1, 2]) {
          const ofKnown = await commandsOf(watched, () => ask(owned[turn] as string))
          const ofUnknown = await commandsOf(watched, () => ask(free[turn] as string))
          t.ok(ofKnown.length > 3, `${ofKnown.length} commands`)
          t.strictSame(ofUnknown, ofKnown, 'the same commands of the store, in the same order')
        }
        await cannotTell(t, {
          one: (turn) => ask(owned[turn % owned.length] as string),
          other: (turn) => ask(free[turn % free.length] as string),
          prepare: async (turn) => turn % 10 === 0 && emptyQueues(home),
        })
      })
    }
  })

  t.test(`limits are reached alike, on ${store}`, async (t) => {
    const home = await openMailHome(t, { ...env, LIMIT_MAIL: '3/1h', LIMIT_CODES: '3/1h' })
    const me = await home.newcomer()
    const nobodys = freeAddress()
    const { 'POST /v1/password/forgot': forgot, 'POST /v1/email/change': change } = await questionsAt(home)
    for (const email of [me.email, nobodys]) {
      for (const spelling of [email, email.toUpperCase(), ` ${email}`])
        t.equal((await forgot?.ask(spelling))?.status, 202)
      for (const question of [forgot, change]) {
        const refused = await question?.ask(email)
        t.match(refused, { status: 429, body: { code: 'too_many_requests' }, headers: { 'retry-after': '3600' } })
      }
    }
    const verification = await home.call('POST', '/v1/email/verification', { token: me.access_token })
    t.equal(verification.status, 429, 'it is one limit over all routes')
    t.strictSame(seen((await forgot?.ask(me.email)) as Answer), seen((await forgot?.ask(nobodys)) as Answer))
    await home.mailsTo(me.email, 3)
    t.equal(home.events('limit.hit').length, 7)
  })

  t.test(`${requests} requests at one recipient are LIMIT_MAIL mails, whoever asks, on ${store}`, async (t) => {
    const home = await openMailHome(t, { ...env, LIMIT_MAIL: '5/1h', LIMIT_MAIL_TOTAL: '50/1h' })
    const me = await home.newcomer()
    const body = { email: me.email }
    const counts = new Map<number, number>()
    const lane = async (place: number) => {
      for (let turn = 0; turn < requests / 50; turn += 1) {
        const ip = `2001:db8:${place}:${turn}::1`
        const { status } = await home.call('POST', '/v1/password/forgot', { body, ip })
        counts.set(status, (counts.get(status) ?? 0) + 1)
      }
    }
    await Promise.all(Array.from({ length: 50 }, (_, place) => lane(place)))
    t.strictSame(Object.fromEntries(counts), { 202: 5, 429: requests - 5 })
    await home.mailsTo(me.email, 5)
    t.equal(new Set(home.lettersTo(me.email).map(({ token }) => token)).size, 1)

    const other = await home.newcomer()
    await home.forgot(other.email)
    t.equal(home.smtp.mailsTo(me.email).length, 5)
  })

  t.test(`all recipients together have LIMIT_MAIL_TOTAL; notices count against no limit, on ${store}`, async (t) => {
    const home = await openMailHome(t, { ...env, LIMIT_MAIL: '2/1h', LIMIT_MAIL_TOTAL: '4/1h' })
    const me = await home.newcomer()
    await home.forgot(me.email)
    for (const asked of [freeAddress(), freeAddress(), freeAddress()])
      t.equal((await home.call('POST', '/v1/password/forgot', { body: { email: asked } })).status, 202)
    for (const asked of [me.email, freeAddress()]) {
      const refused = await home.call('POST', '/v1/password/forgot', { body: { email: asked } })
      t.match(refused, { status: 429, headers: { 'retry-after': '3600' } }, 'known or not')
    }
    let [token, current] = [me.access_token, me.password]
    for (let turn = 0; turn < 6; turn += 1) {
      const body = { current_password: current, new_password: `${NEW}, ${turn} times` }
      const changed = await home.call('POST', '/v1/password', { token, body })
      t.equal(changed.status, 200)
      token = changed.body.access_token
      current = body.new_password
    }
    t.equal((await home.mailsTo(me.email, 7)).length, 7)
  })

  t.test(`a mail that all recipients’ limit refuses is not counted for its recipient, on ${store}`, async (t) => {
    const home = await openMailHome(t, { ...env, LIMIT_MAIL: '2/1h', LIMIT_MAIL_TOTAL: '1/1s' })
    const { email } = await home.newcomer()
    const ask = async (address: string) =>
      (await home.call('POST', '/v1/password/forgot', { body: { email: address } })).status
    t.equal(await ask(freeAddress()), 202)
    t.strictSame([await ask(email), await ask(email), await ask(email)], [429, 429, 429])
    t.ok(await eventually(async () => (await ask(email)) === 202, { within: 5000 }))
  })
}
