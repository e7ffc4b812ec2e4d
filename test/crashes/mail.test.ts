import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { keys } from '../../src/store/keys.ts'
import { NO_LIMITS, NO_MAIL_LIMITS, TEST_SECRET, mailTo } from '../support/env.ts'
import { type Home, type Newcomer, openHome } from '../support/home.ts'
import { hintsOf } from '../support/mails.ts'
import { startRedis } from '../support/redis.ts'
import { type Answer, type Service, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'
import { type Smtp, startSmtp, readLetter } from '../support/smtp.ts'

// An instance is killed at a place that matters: before a commit, after it, after the mail server's 250. It has a dozen
// requests at that time. Another instance, ten minutes later, sends what waits, and repeats what got no answer. CRASHES requests are cut off,
// or mails sent once more, at each place and on each store.

const CRASHES = Number(process.env['CRASHES'] ?? 1)
const PEOPLE = 12
const PASSWORD = 'seven red bicycles in the rain'
const NEW = 'nine blue umbrellas on the roof'
const MORTAL = [process.execPath, fileURLToPath(new URL('../support/mortal-instance.js', import.meta.url))]
const TEN_MINUTES = 602_000
const SOON = { within: 20_000 }

type Env = Record<string, string>

/** A store, a mail server, and the environment of all who use them. */
interface Place extends StorePlace {
  readonly smtp: Smtp
}

interface StorePlace {
  readonly env: Env
  /** Redis lets what expires go by its own clock: this does what it does after ten minutes. */
  readonly forgetHolds?: () => Promise<void>
}

async function openPlace(t: Test, store: StorePlace): Promise<Place> {
  const smtp = await startSmtp()
  t.teardown(smtp.stop)
  const keys = { AUTH_SECRET: TEST_SECRET, ISSUER: 'http://localhost:3000' }
  return { ...store, smtp, env: { ...keys, ...mailTo(smtp.url), ...NO_LIMITS, ...NO_MAIL_LIMITS, ...store.env } }
}

/** The one that dies: before or after its `on`th commit that puts or deletes a key like `at`. */
interface Death {
  readonly dies: 'before' | 'after'
  readonly at: string
  readonly on: number
}

function startMortal({ env }: Place, { dies, at, on }: Death): Promise<Service> {
  return startService({ ...env, DIES: dies, DIES_AT: at, DIES_ON: `${on}` }, { command: MORTAL })
}

/** The answer; null: the instance has died. */
const ask = (at: Service, path: string, body: object, token?: string): Promise<Answer<any> | null> =>
  at.call('POST', path, { body, ...(token && { token }) }).catch(() => null)

async function inHome<T>({ env }: Place, work: (home: Home) => Promise<T>): Promise<T> {
  const home = await openHome(env)
  try {
    return await work(home)
  } finally {
    await home.close()
  }
}

const makePeople = (place: Place) =>
  inHome(place, (home) => Promise.all(Array.from({ length: PEOPLE }, () => home.newcomer())))

/**
 * Ten minutes later: whatever waited is sent, and no mail waits any more. A hint may: whoever was killed had sent the mail, and not yet
 * forgotten where it was. The clock goes on, at some times its pace: a mail whose taking was in doubt, because the store was slow to
 * answer, is tried again in a minute.
 */
async function later(home: Home): Promise<void> {
  const { store } = home.deps
  home.clock.advance(TEN_MINUTES)
  await eventually(async () => {
    home.clock.advance(100)
    const hints = await hintsOf(home.deps)
    const mails = await Promise.all(hints.map(({ userId, mailId }) => store.get(keys.mail(userId, mailId))))
    return mails.every((mail) => mail === null)
  }, SOON)
}

/** The token in the first mail to this address, once it is there; the clock goes on as above. */
const tokenIn = (home: Home, place: Place, email: string): Promise<string | undefined> =>
  eventually(() => {
    home.clock.advance(100)
    return place.smtp.mailsTo(email).map(readLetter)[0]?.token
  }, SOON)

const login = (home: Home, email: string, password: string) =>
  home.call('POST', '/v1/login', { body: { email, password } })

/** Lets instances die until so many requests were hit; `round` resolves to how many. */
async function untilHit(t: Test, round: (turn: number) => Promise<number>): Promise<void> {
  let [hits, turn] = [0, 0]
  for (; hits < CRASHES && turn < CRASHES * 3; turn += 1) hits += await round(turn)
  t.comment(`${hits} requests were hit in ${turn} rounds`)
  t.ok(hits >= CRASHES, `${hits} of ${CRASHES}`)
}

/** A mail is asked for. `hit`: how this death shows, by whether the request was answered and how many mails came. */
interface ForgotDeath extends Pick<Death, 'dies' | 'at'> {
  readonly isHit: (isAnswered: boolean, mails: number) => boolean
}

const FORGOT_DEATHS: Record<string, ForgotDeath> = {
  'before the commit of the mail': {
    dies: 'before',
    at: '^put .*:secrets:reset$',
    isHit: (isAnswered, mails) => !isAnswered && mails === 0,
  },
  'after the commit of the mail': {
    dies: 'after',
    at: '^put .*:secrets:reset$',
    isHit: (isAnswered, mails) => !isAnswered && mails === 1,
  },
  'after the 250 of the mail server': {
    dies: 'before',
    at: '^delete .*:mail:',
    isHit: (_, mails) => mails === 2,
  },
}

async function forgotRound(t: Test, place: Place, { dies, at, isHit }: ForgotDeath, turn: number): Promise<number> {
  const people = await makePeople(place)
  const mortal = await startMortal(place, { dies, at, on: 1 + (turn % PEOPLE) })
  const forgot = ({ email }: Newcomer) => ask(mortal, '/v1/password/forgot', { email })
  const answers = await Promise.all(people.map(forgot))
  await mortal.exited
  return inHome(place, async (home) => {
    await later(home)
    let hits = 0
    for (const [index, { email, password }] of people.entries()) {
      const isAnswered = answers[index]?.status === 202
      const mails = place.smtp.mailsTo(email)
      const letters = mails.map(readLetter)
      if (isHit(isAnswered, mails.length)) hits += 1
      const least = isAnswered ? 1 : 0
      t.ok(mails.length >= least && mails.length <= 2, `${mails.length} mails, ${isAnswered ? '' : 'not '}answered`)
      t.ok(new Set(mails.map(({ messageId }) => messageId)).size <= 1, 'one Message-ID')
      t.ok(new Set(letters.map(({ token, code }) => `${token} ${code}`)).size <= 1, 'one secret')
      t.equal((await login(home, email, password)).status, 200, 'nothing else has changed')
      const [letter] = letters
      if (letter === undefined) continue
      const body = { token: letter.token, new_password: NEW }
      t.equal((await home.call('POST', '/v1/password/reset', { body })).status, 204)
    }
    await later(home) // the notices of the resets: else the next one to die would send them, and die too early
    return hits
  })
}

/** The password is reset: all of it is done, or nothing; the repeat does it. */
async function resetRound(t: Test, place: Place, dies: Death['dies'], turn: number): Promise<number> {
  const people = await makePeople(place)
  const tokens = await inHome(place, async (home) => {
    for (const { email } of people) await home.call('POST', '/v1/password/forgot', { body: { email } })
    return Promise.all(people.map(({ email }) => tokenIn(home, place, email)))
  })
  const mortal = await startMortal(place, { dies, at: '^put .*:secrets:reset$', on: 1 + (turn % PEOPLE) })
  const bodyOf = (index: number) => ({ token: tokens[index], new_password: NEW })
  const answers = await Promise.all(people.map((_, index) => ask(mortal, '/v1/password/reset', bodyOf(index))))
  await mortal.exited
  return inHome(place, async (home) => {
    let hits = 0
    for (const [index, me] of people.entries()) {
      const alive = [
        (await home.call('GET', '/v1/verify', { token: me.access_token })).status,
        (await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })).status,
        (await login(home, me.email, PASSWORD)).status,
        (await login(home, me.email, NEW)).status,
      ].join()
      const [isDone, isNot] = [alive === '401,401,401,200', alive === '204,200,200,401']
      t.ok(isDone || (isNot && answers[index] === null), `${answers[index]?.status}: ${alive}`)
      if (answers[index] === null && (dies === 'before' ? isNot : isDone)) hits += 1
      const again = await home.call('POST', '/v1/password/reset', { body: bodyOf(index) })
      t.equal(again.status, 204, 'the same again')
      t.equal((await login(home, me.email, NEW)).status, 200)
    }
    await later(home)
    for (const { email } of people) {
      const notices = place.smtp.mailsTo(email).filter(({ text }) => !text?.includes('#token='))
      t.ok(notices.length >= 1 && notices.length <= 2, `${notices.length} notices`)
      t.equal(new Set(notices.map(({ messageId }) => messageId)).size, 1)
    }
    return hits
  })
}

/** The address is changed, in three commits: it is the old one, or the new one, and after ten minutes nobody's address is lost. */
async function changeRound(t: Test, place: Place, death: Pick<Death, 'dies' | 'at'>, turn: number): Promise<number> {
  const people = await makePeople(place)
  const wanted = (index: number) => `wanted-${people[index]?.email}`
  const tokens = await inHome(place, async (home) => {
    for (const [index, { access_token: token }] of people.entries())
      await home.call('POST', '/v1/email/change', { token, body: { new_email: wanted(index) } })
    return Promise.all(people.map((_, index) => tokenIn(home, place, wanted(index))))
  })
  const mortal = await startMortal(place, { ...death, on: 1 + (turn % PEOPLE) })
  const confirm = ({ access_token }: Newcomer, index: number) =>
    ask(mortal, '/v1/email/change/confirm', { token: tokens[index] }, access_token)
  const answers = await Promise.all(people.map(confirm))
  await mortal.exited
  return inHome(place, async (home) => {
    home.clock.advance(TEN_MINUTES)
    await place.forgetHolds?.()
    let hits = 0
    for (const [index, me] of people.entries()) {
      if (answers[index] === null) hits += 1
      const [old, next] = [await login(home, me.email, PASSWORD), await login(home, wanted(index), PASSWORD)]
      const seen = `${old.status},${next.status}`
      t.ok(seen === '401,200' || (seen === '200,401' && answers[index] === null), `${answers[index]?.status}: ${seen}`)
      const has = old.status === 200 ? me.email : wanted(index)
      const free = old.status === 200 ? wanted(index) : me.email
      const register = (email: string) => home.call('POST', '/v1/register', { body: { email, password: NEW } })
      t.equal((await register(has)).status, 409, 'one owner')
      t.equal((await register(free)).status, 201, 'the other address can be taken')
    }
    return hits
  })
}

const CHANGE_DEATHS: Record<string, Pick<Death, 'dies' | 'at'>> = {
  'after it is held': { dies: 'after', at: '^put .*:held-email$' },
  'after it is claimed': { dies: 'after', at: '^put .*}:email$' },
  'after the user has it': { dies: 'after', at: '^put .*}:secrets:change$' },
}

const STORES: Record<string, (t: Test) => Promise<StorePlace>> = {
  async LMDB(t) {
    const dir = await mkdtemp(join(tmpdir(), 'latchkey-mail-crash-'))
    t.teardown(() => rm(dir, { recursive: true, force: true }))
    return { env: { DATA_DIR: dir } }
  },
  async Redis(t) {
    const redis = await startRedis()
    t.teardown(redis.stop)
    const forgetHolds = async () => {
      const held = (await redis.cli('KEYS', '*:held-email')).split('\n').filter(Boolean)
      if (held.length > 0) await redis.cli('DEL', ...held)
    }
    return { env: { REDIS_URL: redis.url }, forgetHolds }
  },
}

for (const [name, open] of Object.entries(STORES)) {
  t.test(name, async (t) => {
    const place = await openPlace(t, await open(t))
    for (const [when, death] of Object.entries(FORGOT_DEATHS)) {
      t.test(`kill -9 ${when}: each person has the mail that was promised, with one secret`, async (t) =>
        untilHit(t, (turn) => forgotRound(t, place, death, turn)),
      )
    }
    for (const dies of ['before', 'after'] as const) {
      t.test(`kill -9 ${dies} the commit of a reset: it is done or not, and the repeat does it once`, async (t) =>
        untilHit(t, (turn) => resetRound(t, place, dies, turn)),
      )
    }
    for (const [when, death] of Object.entries(CHANGE_DEATHS)) {
      t.test(`kill -9 during a change of address, ${when}: it has one owner, and is never lost`, async (t) =>
        untilHit(t, (turn) => changeRound(t, place, death, turn)),
      )
    }
  })
}
