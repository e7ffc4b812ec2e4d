import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import t, { type Test } from 'tap'
import { ADMIN, ADMIN_KEY, NO_LIMITS, NO_MAIL_LIMITS, TEST_SECRET, mailTo } from '../support/env.ts'
import { freePort } from '../support/free-port.ts'
import type { Newcomer } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'
import { type Answer, callAt, type CallRequest, type Service, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'
import { type Smtp, startSmtp, readLetter } from '../support/smtp.ts'

// Three processes on one store, and what the operator does to an account while its owner is at work on all of them.

const PASSWORD = 'seven red bicycles in the rain'
const CHANGED = 'nine blue umbrellas on the roof'
const RESET = 'five green kettles by the window'

type Tokens = Pick<Newcomer, 'access_token' | 'refresh_token' | 'session_id'>
type Call = Service['call']

interface Fleet {
  readonly at: (turn: number) => Call
  /** The operator's listener of an instance. */
  readonly admin: (turn: number, method: string, path: string, body?: unknown) => Promise<Answer<any>>
  readonly smtp: Smtp
}

const turns = [0, 1, 2]
const nth = <T>(things: readonly T[], turn: number) => things[turn % things.length] as T

/** Something to share, and how often each race is run on it. */
const places: Record<string, (t: Test) => Promise<{ env: Record<string, string>; rounds: number }>> = {
  async Redis(t) {
    const redis = await startRedis()
    t.teardown(redis.stop)
    return { env: { REDIS_URL: redis.url }, rounds: 4 }
  },
  async 'an LMDB folder'(t) {
    const dir = await mkdtemp(join(tmpdir(), 'latchkey-operated-'))
    t.teardown(() => rm(dir, { recursive: true, force: true }))
    return { env: { DATA_DIR: dir }, rounds: 2 }
  },
}

async function startFleet(t: Test, place: Record<string, string>): Promise<Fleet> {
  const [smtp, ...ports] = await Promise.all([startSmtp(), ...turns.map(() => freePort())])
  t.teardown(smtp.stop)
  const shared = { ...place, AUTH_SECRET: TEST_SECRET, ISSUER: 'http://localhost:3000', ...ADMIN }
  const env = { ...shared, ...mailTo(smtp.url), ...NO_LIMITS, ...NO_MAIL_LIMITS }
  const started = ports.map((port) => startService({ ...env, ADMIN_PORT: `${port}` }))
  t.teardown(() => Promise.allSettled(started.map(async (service) => (await service).kill())))
  const publics = (await Promise.all(started)).map(({ call }) => knowing(call))
  const admins = ports.map((port) => knowing(callAt(`http://127.0.0.1:${port}`)))
  return {
    smtp,
    at: (turn) => nth(publics, turn),
    admin: (turn, method, path, body) => nth(admins, turn)(method, path, { token: ADMIN_KEY, body }),
  }
}

/** Asks again when the service could not know, or had no room. */
function knowing(call: Call): Call {
  return (method: string, path: string, request?: CallRequest) => {
    const ask = async () => {
      const answer = await call(method, path, request)
      return answer.status !== 503 && answer
    }
    return eventually(ask, { within: 15_000 })
  }
}

let addresses = 0

async function register({ at }: Fleet, turn: number, email?: string): Promise<Newcomer> {
  const own = email ?? `operated-${process.pid}-${(addresses += 1)}@example.org`
  const { status, body } = await at(turn)('POST', '/v1/register', { body: { email: own, password: PASSWORD } })
  if (status !== 201) throw new Error(`register: ${status}`)
  return { email: own, password: PASSWORD, ...body }
}

const verify = (call: Call, { access_token: token }: Tokens, query = '') => call('GET', `/v1/verify${query}`, { token })
const refresh = (call: Call, { refresh_token }: Tokens) => call('POST', '/v1/refresh', { body: { refresh_token } })
const login = (call: Call, email: string, password: string) => call('POST', '/v1/login', { body: { email, password } })
const reset = (call: Call, token: string, new_password = RESET) =>
  call('POST', '/v1/password/reset', { body: { token, new_password } })
const wordOf = ({ status, body }: Answer<any>) => [status, body?.code, body?.reason].filter(Boolean).join(' ')

async function mailed({ at, smtp }: Fleet, turn: number, email: string): Promise<string> {
  await at(turn)('POST', '/v1/password/forgot', { body: { email } })
  const find = () =>
    smtp
      .mailsTo(email)
      .map(readLetter)
      .find(({ token }) => token !== '')
  return (await eventually(find, { within: 15_000 })).token
}

/** What each instance says of each of the tokens. */
async function verdicts({ at }: Fleet, tokens: readonly Tokens[]): Promise<string[]> {
  const answers = await Promise.all(turns.flatMap((turn) => tokens.map((each) => verify(at(turn), each))))
  return [...new Set(answers.map(wordOf))]
}

const REVOKED = ['401 token_revoked']

/** What the owner had before, and what came of the rush. */
interface Rush {
  readonly me: Newcomer
  readonly older: readonly Tokens[]
  /** What each instance said of the older tokens, right after the operator was answered. */
  readonly said: readonly string[]
  readonly opened: readonly Tokens[]
  readonly letter: string
}

/** The operator's request, and at once with it everything that opens or renews something, at all instances. */
async function rush(fleet: Fleet, round: number, [method, path, sent]: [string, string, unknown?]): Promise<Rush> {
  const { at, admin } = fleet
  const me = await register(fleet, round)
  const [one, two, three] = await Promise.all(turns.map((turn) => login(at(turn), me.email, PASSWORD)))
  const older: Tokens[] = [me, one?.body, two?.body, three?.body]
  const letter = await mailed(fleet, round, me.email)
  const stepUp = { token: one?.body.access_token, body: { password: PASSWORD } }
  const change = { token: me.access_token, body: { current_password: PASSWORD, new_password: CHANGED } }
  const operated = async () => {
    const answer = await admin(round, method, `/admin/v1/users/${me.user.id}${path}`, sent)
    if (answer.status !== 204) throw new Error(`${path}: ${wordOf(answer)}`)
    return verdicts(fleet, older)
  }
  const [said, ...racing] = await Promise.all([
    operated(),
    ...turns.map((turn) => login(at(turn), me.email, PASSWORD)),
    ...turns.map((turn) => refresh(at(turn), two?.body)),
    refresh(at(round), three?.body),
    at(round + 1)('POST', '/v1/step-up', stepUp),
    round % 2 === 0 ? at(round + 2)('POST', '/v1/password', change) : reset(at(round + 2), letter),
  ])
  const opened = racing.filter(({ status }) => status === 200).map(({ body }) => body as Tokens)
  return { me, older, said, opened, letter }
}

/** The password of now: the one of three that lets its owner in. */
async function passwordOf({ at }: Fleet, { email }: Newcomer): Promise<string[]> {
  const tried = [PASSWORD, CHANGED, RESET]
  const answers = await Promise.all(tried.map((password, turn) => login(at(turn), email, password)))
  return tried.filter((_, turn) => answers[turn]?.status !== 401)
}

for (const [name, place] of Object.entries(places))
  t.test(`three instances on ${name}`, async (t) => {
    const { env, rounds } = await place(t)
    const fleet = await startFleet(t, env)
    const { at, admin } = fleet

    for (const [path, sent, told] of [
      ['/roles', { roles: ['editor'] }, { roles: ['editor'] }],
      ['/app', { plan: 'pro' }, { app: { plan: 'pro' } }],
    ] as const)
      await t.test(`${path} that changes in a rush ends every older token and no session`, async (t) => {
        for (let round = 0; round < rounds; round += 1) {
          const { me, said, older, opened } = await rush(fleet, round, ['PUT', path, sent])
          t.strictSame(said, REVOKED)
          const passwords = await passwordOf(fleet, me)
          t.equal(passwords.length, 1)
          const isReset = passwords[0] === RESET
          for (const [turn, session] of [...older, ...opened].entries()) {
            const next = await refresh(at(turn), session)
            // Who changes the password ends the other sessions, and so does a reset; the operator ends none.
            if (next.status !== 200) t.match(wordOf(next), isReset ? 'password_reset' : 'password_changed')
            else {
              t.match(decodeJwt(next.body.access_token), told)
              t.strictSame(await verdicts(fleet, [next.body]), ['204'])
            }
          }
        }
      })

    await t.test('a client whose user gets a role refreshes exactly once', async (t) => {
      const me = await register(fleet, 0)
      const others = await Promise.all(turns.map((turn) => login(at(turn), me.email, PASSWORD)))
      const roles = [['editor'], ['editor', 'billing:read'], []]
      let sessions: Tokens[] = [me, ...others.map(({ body }) => body)]
      for (const [round, given] of roles.entries()) {
        let isOver = false
        const client = async (session: Tokens): Promise<Tokens> => {
          let now = session
          let refreshes = 0
          // Until the change has been answered, and once more at each instance.
          for (let turn = 0, last = 0; last < 3; turn += 1) {
            if (isOver) last += 1
            const { status } = await verify(at(turn), now)
            if (status === 204) continue
            const next = await refresh(at(turn), now)
            t.match(next, { status: 200, body: { session_id: session.session_id } })
            now = next.body as Tokens
            refreshes += 1
          }
          t.equal(refreshes, 1)
          return now
        }
        const clients = sessions.map(client)
        await verify(at(0), me)
        t.equal((await admin(round, 'PUT', `/admin/v1/users/${me.user.id}/roles`, { roles: given })).status, 204)
        isOver = true
        sessions = await Promise.all(clients)
        for (const session of sessions) t.strictSame(decodeJwt(session.access_token)['roles'] ?? [], given)
      }
      t.strictSame(
        (await at(1)('GET', '/v1/sessions', { token: sessions[0]?.access_token ?? '' })).body.sessions.length,
        4,
      )
    })

    await t.test(
      'nothing of an account that is disabled in a rush lives, and no door opens until it is enabled',
      async (t) => {
        for (let round = 0; round < rounds; round += 1) {
          const { me, older, said, opened, letter } = await rush(fleet, round, [
            'PUT',
            '/disabled',
            { reason: 'fraud' },
          ])
          t.strictSame(said, REVOKED)
          t.strictSame(await verdicts(fleet, [...older, ...opened]), REVOKED)
          for (const [turn, session] of [...older, ...opened].entries())
            t.match(
              wordOf(await refresh(at(turn), session)),
              /^401 session_over (disabled|password_changed|password_reset)$/,
            )
          const passwords = await passwordOf(fleet, me)
          t.equal(passwords.length, 1)
          const [password = ''] = passwords
          for (const turn of turns) {
            t.equal(wordOf(await login(at(turn), me.email, password)), '403 account_disabled')
            t.equal(wordOf(await login(at(turn), me.email, `${password}?`)), '401 bad_credentials')
            // What a reset has spent may be repeated, and opens nothing.
            if (password !== RESET) t.equal(wordOf(await reset(at(turn), letter)), '400 code_invalid')
          }
          const at200 = await admin(round + 1, 'GET', `/admin/v1/users/${me.user.id}`)
          t.match(at200.body, { sessions: 0, disabled: { reason: 'fraud' } })
          const [enabled, ...early] = await Promise.all([
            admin(round + 1, 'DELETE', `/admin/v1/users/${me.user.id}/disabled`),
            ...turns.map((turn) => login(at(turn), me.email, password)),
          ])
          t.equal(enabled.status, 204)
          for (const each of early) t.match(wordOf(each), /^(200|403 account_disabled)$/)
          for (const turn of turns) {
            const anew = await login(at(turn), me.email, password)
            t.equal(anew.status, 200)
            t.strictSame(await verdicts(fleet, [anew.body]), ['204'])
          }
          t.strictSame(await verdicts(fleet, [...older, ...opened]), REVOKED, 'what has ended stays ended')
        }
      },
    )

    await t.test('nothing of an account that is removed in a rush lives, and its address is free', async (t) => {
      for (let round = 0; round < rounds; round += 1) {
        const { me, older, said, opened, letter } = await rush(fleet, round, ['DELETE', ''])
        t.strictSame(said, REVOKED)
        t.strictSame(await verdicts(fleet, [...older, ...opened]), REVOKED)
        for (const [turn, session] of [...older, ...opened].entries())
          t.match(
            wordOf(await refresh(at(turn), session)),
            /^401 session_over (account_deleted|password_changed|password_reset)$/,
          )
        t.strictSame(await passwordOf(fleet, me), [])
        t.equal(wordOf(await reset(at(round), letter)), '400 code_invalid')
        t.equal((await admin(round, 'GET', `/admin/v1/users/${me.user.id}`)).status, 404)
        t.not((await register(fleet, round, me.email)).user.id, me.user.id)
      }
    })

    await t.test('of fifty changes of roles at once one whole value wins, everywhere', async (t) => {
      const me = await register(fleet, 0)
      const path = `/admin/v1/users/${me.user.id}`
      const values = Array.from({ length: 50 }, (_, place) => [`first:${place}`, `second:${place}`])
      const answers = await Promise.all(values.map((roles, turn) => admin(turn, 'PUT', `${path}/roles`, { roles })))
      t.strictSame([...new Set(answers.map(wordOf))], ['204'])
      const read = await Promise.all(turns.map((turn) => admin(turn, 'GET', path)))
      const [won = []] = read.map(({ body }) => body.roles as string[])
      t.ok(
        values.some((roles) => roles.join() === won.join()),
        won.join(),
      )
      for (const { body } of read) t.strictSame(body.roles, won)
      t.strictSame(await verdicts(fleet, [me]), REVOKED)
      const next = await refresh(at(1), me)
      t.strictSame(decodeJwt(next.body.access_token)['roles'], won)
      for (const turn of turns) t.equal((await verify(at(turn), next.body, `?role=${won.join('&role=')}`)).status, 204)
    })

    await t.test('of disabling and enabling at once one is the last, everywhere', async (t) => {
      const me = await register(fleet, 0)
      const path = `/admin/v1/users/${me.user.id}/disabled`
      const moves = Array.from({ length: 20 }, (_, turn) => admin(turn, turn % 2 === 0 ? 'PUT' : 'DELETE', path))
      t.strictSame([...new Set((await Promise.all(moves)).map(wordOf))], ['204'])
      t.strictSame(await verdicts(fleet, [me]), REVOKED)
      const words = await Promise.all(turns.map(async (turn) => wordOf(await login(at(turn), me.email, PASSWORD))))
      t.equal(new Set(words).size, 1, words.join())
    })
  })
