import t, { type Test } from 'tap'
import { NO_LIMITS, NO_MAIL_LIMITS, TEST_SECRET, mailTo } from '../support/env.ts'
import type { Newcomer } from '../support/home.ts'
import { type RedisProcess, startRedis } from '../support/redis.ts'
import { type Answer, type CallRequest, type Service, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'
import { type Smtp, startSmtp, readLetter } from '../support/smtp.ts'

// Three processes on one Redis, and what a reset promises over all of them.

const PASSWORD = 'seven red bicycles in the rain'
const NEW = 'nine blue umbrellas on the roof'
const MAILS = Number(process.env['MAILS'] ?? 300)
const ROUNDS = 8

interface Fleet {
  readonly at: (turn: number) => Service
  readonly all: readonly Service[]
  readonly smtp: Smtp
  readonly redis: RedisProcess
}

type Tokens = Pick<Newcomer, 'access_token' | 'refresh_token'>

async function startFleet(t: Test): Promise<Fleet> {
  const [redis, smtp] = await Promise.all([startRedis(), startSmtp()])
  t.teardown(redis.stop)
  t.teardown(smtp.stop)
  const env = {
    REDIS_URL: redis.url,
    AUTH_SECRET: TEST_SECRET,
    ISSUER: 'http://localhost:3000',
    ...mailTo(smtp.url),
    ...NO_LIMITS,
    ...NO_MAIL_LIMITS,
  }
  const all = await Promise.all([1, 2, 3].map(() => startService(env)))
  t.teardown(() => Promise.all(all.map((service) => service.kill())))
  return { all, smtp, redis, at: (turn) => all[turn % all.length] as Service }
}

let addresses = 0
const newAddress = () => `three-mail-${process.pid}-${(addresses += 1)}@example.org`

/** Asks again when the service could not know, or had no room. */
function known(at: Service, method: string, path: string, request: CallRequest): Promise<Answer<any>> {
  const ask = async () => {
    const answer = await at.call(method, path, request)
    return answer.status !== 503 && answer
  }
  return eventually(ask, { within: 15_000 })
}

async function register(at: Service): Promise<Newcomer> {
  const email = newAddress()
  const { body } = await known(at, 'POST', '/v1/register', { body: { email, password: PASSWORD } })
  return { email, password: PASSWORD, ...body }
}

async function tokenFor({ smtp }: Fleet, email: string, ask: () => Promise<unknown>): Promise<string> {
  const letters = () => smtp.mailsTo(email).map(readLetter)
  const before = letters().filter(({ token }) => token !== '').length
  await ask()
  return eventually(() => letters().filter(({ token }) => token !== '')[before]?.token, { within: 15_000 })
}

const login = (at: Service, email: string, password: string) =>
  known(at, 'POST', '/v1/login', { body: { email, password } })
const reset = (at: Service, token: string, new_password: string) =>
  known(at, 'POST', '/v1/password/reset', { body: { token, new_password } })
const verify = (at: Service, { access_token }: Tokens) => known(at, 'GET', '/v1/verify', { token: access_token })
const refresh = (at: Service, { refresh_token }: Tokens) =>
  known(at, 'POST', '/v1/refresh', { body: { refresh_token } })
const forgotten = (fleet: Fleet, turn: number, email: string) =>
  tokenFor(fleet, email, () => known(fleet.at(turn), 'POST', '/v1/password/forgot', { body: { email } }))

/** Whether any instance lets these tokens in, or goes on with their session. */
async function survivors({ all }: Fleet, tokens: readonly Tokens[]): Promise<string[]> {
  const seen: string[] = []
  for (const each of tokens) {
    const verified = await Promise.all(all.map((at) => verify(at, each)))
    const refreshed = await Promise.all(all.map((at) => refresh(at, each)))
    seen.push(
      ...[...verified, ...refreshed]
        .map(({ status }) => status)
        .filter((status) => status !== 401)
        .map(String),
    )
  }
  return seen
}

t.test('three instances', async (t) => {
  const fleet = await startFleet(t)
  const { at, all, smtp, redis } = fleet

  await t.test('of fifty resets at once with one token one wins, and its password works on each', async (t) => {
    for (let round = 0; round < 3; round += 1) {
      const me = await register(at(round))
      const token = await forgotten(fleet, round, me.email)
      const passwords = Array.from({ length: 50 }, (_, turn) => `${NEW}, number ${turn}`)
      const answers = await Promise.all(passwords.map((password, turn) => reset(at(turn), token, password)))
      const won = passwords.filter((_, turn) => answers[turn]?.status === 204)
      t.equal(won.length, 1)
      t.equal(answers.filter(({ status, body }) => status === 400 && body.code === 'code_invalid').length, 49)
      const statuses = await Promise.all(all.map((each) => login(each, me.email, won[0] ?? '')))
      t.strictSame(
        statuses.map(({ status }) => status),
        [200, 200, 200],
      )
      for (const lost of passwords.filter((password) => password !== won[0]).slice(0, 3))
        t.equal((await login(at(round), me.email, lost)).status, 401)
    }
  })

  await t.test('every token of before is dead on each instance at the moment of the 204', async (t) => {
    for (let round = 0; round < 3; round += 1) {
      const me = await register(at(round))
      const others = await Promise.all([0, 1, 2].map((turn) => login(at(turn), me.email, PASSWORD)))
      const sessions: Tokens[] = [me, ...others.map(({ body }) => body)]
      for (const session of sessions) for (const each of all) t.equal((await verify(each, session)).status, 204)
      const token = await forgotten(fleet, round, me.email)
      t.equal((await reset(at(round), token, NEW)).status, 204)
      const verified = await Promise.all(all.flatMap((each) => sessions.map((session) => verify(each, session))))
      t.strictSame(
        new Set(verified.map(({ status, body }) => `${status} ${body.code}`)),
        new Set(['401 token_revoked']),
      )
      const over = await Promise.all(sessions.map((session, turn) => refresh(at(turn), session)))
      t.strictSame(new Set(over.map(({ body }) => body.reason)), new Set(['password_reset']))
    }
  })

  await t.test('a reset that races logins, refreshes and changes: nothing of before survives it', async (t) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const me = await register(at(round))
      const other = (await login(at(round), me.email, PASSWORD)).body as Tokens
      const third = (await login(at(round), me.email, PASSWORD)).body as Tokens
      const wanted = newAddress()
      const body = { new_email: wanted }
      const ask = () => known(at(round), 'POST', '/v1/email/change', { token: me.access_token, body })
      const changeToken = await tokenFor(fleet, wanted, ask)
      const token = await forgotten(fleet, round, me.email)
      const won = { current_password: PASSWORD, new_password: `${NEW} by change` }
      const isPassword = round % 2 === 0
      const [done, ...racing] = await Promise.all([
        reset(at(round), token, NEW),
        ...[0, 1, 2].map((turn) => login(at(round + turn), me.email, PASSWORD)),
        ...[0, 1, 2].map((turn) => refresh(at(round + turn), other)),
        isPassword
          ? known(at(round + 1), 'POST', '/v1/password', { token: third.access_token, body: won })
          : known(at(round + 1), 'POST', '/v1/email/change/confirm', {
              token: me.access_token,
              body: { token: changeToken },
            }),
      ])
      const opened: Tokens[] = racing.filter(({ status }) => status === 200).map(({ body }) => body)
      const change = racing.at(-1)
      const about = `round ${round}: reset ${done.status}, ${isPassword ? 'password' : 'address'} ${change?.status}`
      t.ok(done.status === 204 || change?.status === 200, about)
      if (done.status === 204) {
        t.strictSame(await survivors(fleet, [me, other, third, ...opened]), [], `${about}: nothing of before lives`)
        t.equal(
          (await login(at(round), me.email, NEW)).status,
          change?.status === 200 && !isPassword ? 401 : 200,
          about,
        )
      } else {
        t.match(done.body, { code: 'code_invalid' }, about)
      }
      if (isPassword || done.status === 204) t.equal((await login(at(round), me.email, PASSWORD)).status, 401, about)
    }
  })

  await t.test(`three senders send each of ${MAILS} mails once`, async (t) => {
    const people = await Promise.all(Array.from({ length: 20 }, (_, turn) => register(at(turn))))
    const isNoneLeft = async () => (await redis.cli('KEYS', '*}:mail:*')) === ''
    await eventually(isNoneLeft, { within: 15_000 }) // the notices of the tests before
    const before = smtp.mails.length
    let asked = 0
    const lane = async ({ email }: Newcomer, place: number) => {
      for (let turn = 0; turn < MAILS / 20; turn += 1) {
        const { status } = await known(at(place + turn), 'POST', '/v1/password/forgot', { body: { email } })
        if (status === 202) asked += 1
      }
    }
    await Promise.all(people.map(lane))
    t.equal(asked, MAILS)
    await eventually(() => smtp.mails.length - before >= MAILS, { within: 60_000 })
    await eventually(isNoneLeft, { within: 60_000 })
    const ids = smtp.mails.slice(before).map(({ messageId }) => messageId)
    t.equal(new Set(ids).size, MAILS)
    t.equal(ids.length, MAILS, 'none twice')
    const active = all.filter((each) => each.events('mail.sent').length > 0)
    t.equal(active.length, 3, 'all of them send')
  })
})
