import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { newRecoveryCodes } from '../../src/auth/factors/enrol.ts'
import { openSession } from '../../src/auth/sessions/open.ts'
import { issueTokens } from '../../src/auth/tokens/issue.ts'
import { sealChallenge } from '../../src/domain/challenge.ts'
import type { Factors } from '../../src/domain/factors.ts'
import { sealFor } from '../../src/domain/sealed-for.ts'
import { codeAt } from '../../src/domain/totp.ts'
import { keys } from '../../src/store/keys.ts'
import { put } from '../../src/store/store.ts'
import { NO_LIMITS, TEST_SECRET } from '../support/env.ts'
import { type Home, openHome } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'
import { type Answer, type CallRequest, type Service, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'
import { newId } from '../../src/domain/id.ts'

// An instance is killed while clients register, refresh, log out, end sessions, change passwords, log in by a second factor, enrol one
// and save data, one request after the other in each of eleven lanes. Whoever looks next must find every change that was answered, and of the
// changes that were not answered each one whole or not at all. CRASHES requests are cut off on each store.

const CRASHES = Number(process.env['CRASHES'] ?? 200)
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const LANES = 11
/** Rounds for which clients are prepared; fewer are needed. */
const ROUNDS = Math.ceil((CRASHES / LANES) * 1.8) + 3
const STOCK = 20
const PASSWORD = 'seven red bicycles in the rain'
const CALLER = { ip: '127.0.0.1', network: '127.0.0.1', userAgent: 'test', requestId: 'test' }

type Env = Record<string, string>
type Session = { access_token: string; refresh_token: string; session_id: string }
type Person = { readonly email: string; readonly sessions: readonly Session[] }
/** Somebody with recovery codes, and the challenges of as many logins whose first step is done. */
type Owner = { readonly codes: readonly string[]; readonly challenge: () => string }
/** Somebody who is about to enrol an authenticator app, and has two sessions. */
type Enroller = { readonly own: Session; readonly other: Session; readonly secret: Buffer }

/** Those whose requests will be cut off in one round. */
type Round = {
  readonly leavers: readonly Person[]
  readonly remover: Person
  readonly deserters: readonly Person[]
  readonly changer: Person
  readonly holder: Owner
  readonly enrollers: readonly Enroller[]
}

/** Uniform in [0, 1), the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** People with sessions, made through the use cases, all with one password that is hashed once. */
async function makePeople({ deps, newcomer }: Home) {
  const { user } = await newcomer({ password: PASSWORD })
  const template = await deps.store.get(keys.user(user.id))
  if (template === null) throw new Error('there is no template')

  async function person(sessions: number, id = newId(), factors?: Factors): Promise<Person> {
    const email = `crash-${id.toLowerCase()}@example.org`
    const claim = put(keys.email(email), { userId: id }, null)
    await deps.store.commit({ checks: [], puts: [claim], deletes: [] })
    const account = { ...template!.value, id, email, emailKey: email, sessions: [], ...(factors && { factors }) }
    await deps.store.commit({ checks: [], puts: [put(keys.user(id), account, null)], deletes: [] })
    const opened: Session[] = []
    while (opened.length < sessions) {
      const entry = await deps.store.get(keys.user(id))
      const wish = { transport: 'body', remember: false } as const
      const bearer = entry && (await openSession(deps, entry, { amr: ['pwd'], event: 'login.succeeded' }, wish, CALLER))
      if (bearer === null) continue
      const { accessToken, refreshToken, sessionId } = issueTokens(deps, bearer)
      opened.push({ access_token: accessToken, refresh_token: refreshToken, session_id: sessionId })
    }
    return { email, sessions: opened }
  }

  async function owner(): Promise<Owner> {
    const id = newId()
    const { codes, recoveryCodes } = newRecoveryCodes(deps, { ...template!.value, id }, 'crash')
    const totp = { sealed: sealFor(deps.authKeys, id, 'totp', randomBytes(20)), lastStep: 0 }
    await person(0, id, { totp, passkeys: [], recoveryCodes })
    const first = { userId: id, generation: template!.value.generation, transport: 'body', remember: false } as const
    return { codes, challenge: () => sealChallenge(deps.authKeys, 'login', first, Date.now()) }
  }

  async function enroller(): Promise<Enroller> {
    const [id, secret] = [newId(), randomBytes(20)]
    const pending = put(keys.pendingTotp(id), { sealed: sealFor(deps.authKeys, id, 'totp', secret) }, null)
    await deps.store.commit({ checks: [], puts: [pending], deletes: [] })
    const [own, other] = (await person(2, id)).sessions as [Session, Session]
    return { own, other, secret }
  }

  const round = async (): Promise<Round> => ({
    leavers: await Promise.all([person(STOCK), person(STOCK)]),
    remover: await person(STOCK + 1),
    deserters: await Promise.all(Array.from({ length: STOCK / 2 }, () => person(3))),
    changer: await person(3),
    holder: await owner(),
    enrollers: await Promise.all(Array.from({ length: STOCK / 4 }, enroller)),
  })
  return { person, round }
}

/** The answer, or null: the request was cut off, or answered 503, and may have been carried out or not. */
async function ask(at: Service, method: string, path: string, request: CallRequest = {}): Promise<Answer<any> | null> {
  const answer = await at.call(method, path, request).catch(() => null)
  return answer === null || answer.status === 503 ? null : answer
}

/** The answer of an instance that is up. */
function insist(at: Service, method: string, path: string, request: CallRequest = {}): Promise<Answer<any>> {
  return eventually(() => ask(at, method, path, request), { within: 10_000 })
}

const verify = (at: Service, { access_token }: Session) => insist(at, 'GET', '/v1/verify', { token: access_token })
const refresh = (at: Service, { refresh_token }: Session) =>
  insist(at, 'POST', '/v1/refresh', { body: { refresh_token } })
const login = (at: Service, email: string, password: string) =>
  insist(at, 'POST', '/v1/login', { body: { email, password } })

/** Whether a session lives, by both its tokens: `alive`, `over` for the reason, or what is between, which must not be. */
async function stateOf(at: Service, session: Session): Promise<string> {
  const { status, body } = await verify(at, session)
  const next = await refresh(at, session)
  if (status === 204 && next.status === 200) return 'alive'
  if (status === 401 && body.code === 'token_revoked' && next.status === 401) return `over: ${next.body.reason}`
  return `half-done: verify ${status} ${body.code ?? ''}, refresh ${next.status} ${next.body.reason ?? ''}`
}

/** Works at an instance until it dies; then `check` tells on another one what should not be. `cut` requests got no answer. */
type Lane = (
  at: Service,
  over: AbortSignal,
) => Promise<{ readonly cut: number; readonly check: (at: Service) => Promise<string[]> }>

/** Does one thing after the other until it is over or one is cut off. */
async function untilCut<T>(things: Iterable<T>, over: AbortSignal, act: (thing: T) => Promise<Answer<any> | null>) {
  const answered: { readonly thing: T; readonly answer: Answer<any> }[] = []
  for (const thing of things) {
    if (over.aborted) break
    const answer = await act(thing)
    if (answer === null) return { answered, doubtful: [thing] }
    answered.push({ thing, answer })
  }
  return { answered, doubtful: [] }
}

/** A client that refreshes again and again, through all crashes. */
function refreshing(client: Session): Lane {
  return async (at, over) => {
    const wrong: string[] = []
    const { doubtful } = await untilCut(forever(), over, async () => {
      const answer = await ask(at, 'POST', '/v1/refresh', { body: { refresh_token: client.refresh_token } })
      if (answer?.status === 200) Object.assign(client, answer.body)
      else if (answer !== null) wrong.push(`a refresh was answered ${answer.status} ${answer.body.reason}`)
      return answer
    })
    const check = async (other: Service) => {
      const again = await refresh(other, client)
      if (again.status !== 200) return [...wrong, `an honest client was logged out: ${again.body.reason}`]
      Object.assign(client, again.body)
      const { status } = await verify(other, client)
      return status === 204 ? wrong : [...wrong, `its new access token: ${status}`]
    }
    return { cut: doubtful.length, check }
  }
}

function* forever(): Generator<number> {
  for (let turn = 0; ; turn += 1) yield turn
}

/** Ends groups of sessions, each group with one request: all of a group are over, or none where nobody answered. */
function ending(
  groups: readonly (readonly Session[])[],
  reason: string,
  end: (at: Service, group: readonly Session[]) => readonly [string, string, CallRequest],
): Lane {
  return async (at, over) => {
    const { answered, doubtful } = await untilCut(groups, over, (group) => ask(at, ...end(at, group)))
    const check = async (other: Service) => {
      const wrong = answered
        .filter(({ answer }) => answer.status !== 204)
        .map(({ answer }) => `the end was answered ${answer.status}`)
      for (const { thing: group } of answered) {
        for (const session of group) {
          const state = await stateOf(other, session)
          if (state !== `over: ${reason}`) wrong.push(`ended (${reason}), but ${state}`)
        }
      }
      for (const group of doubtful) {
        const states = new Set(await Promise.all(group.map((session) => stateOf(other, session))))
        const [state] = states
        if (states.size > 1 || (state !== 'alive' && state !== `over: ${reason}`))
          wrong.push(`cut off (${reason}), and ${[...states].join()}`)
        const repeated = await insist(other, ...end(other, group))
        if (![204, 404, 401].includes(repeated.status)) wrong.push(`repeated: ${repeated.status}`)
        for (const session of group) {
          const { status } = await verify(other, session)
          if (status !== 401) wrong.push(`repeated, and still ${status}`)
        }
      }
      return wrong
    }
    return { cut: doubtful.length, check }
  }
}

function registering(): Lane {
  return async (at, over) => {
    const emails = Array.from({ length: STOCK }, () => `crash-new-${newId().toLowerCase()}@example.org`)
    const send = (email: string) => ({ body: { email, password: PASSWORD } })
    const { answered, doubtful } = await untilCut(emails, over, (email) => ask(at, 'POST', '/v1/register', send(email)))
    const check = async (other: Service) => {
      const wrong: string[] = []
      for (const { thing: email, answer } of answered) {
        if (answer.status !== 201) wrong.push(`register: ${answer.status}`)
        else if ((await stateOf(other, answer.body)) !== 'alive') wrong.push('a registered session is gone')
        else if ((await login(other, email, PASSWORD)).status !== 200) wrong.push('a registered account is gone')
      }
      for (const email of doubtful) {
        const came = await login(other, email, PASSWORD)
        const again = await insist(other, 'POST', '/v1/register', send(email))
        const seen = `${came.status}, ${again.status}`
        if (seen !== '200, 409' && seen !== '401, 201') wrong.push(`cut off, and login and register say ${seen}`)
      }
      return wrong
    }
    return { cut: doubtful.length, check }
  }
}

/** Changes a password again and again; the caller goes on, the other sessions die with the first change. */
function changingPassword({ email, sessions }: Person): Lane {
  return async (at, over) => {
    const [own, ...others] = sessions as [Session, ...Session[]]
    const passwordOf = (turn: number) => (turn === 0 ? PASSWORD : `${PASSWORD}, ${turn} times`)
    const wrong: string[] = []
    let done = 0
    const { doubtful } = await untilCut(forever(), over, async (turn) => {
      const body = { current_password: passwordOf(turn), new_password: passwordOf(turn + 1) }
      const answer = await ask(at, 'POST', '/v1/password', { token: own.access_token, body })
      if (answer?.status === 200) {
        done += 1
        Object.assign(own, answer.body)
      } else if (answer !== null) wrong.push(`a change was answered ${answer.status} ${answer.body.code}`)
      return answer
    })
    const check = async (other: Service) => {
      const [old, next] = [await login(other, email, passwordOf(done)), await login(other, email, passwordOf(done + 1))]
      const seen = `${old.status}, ${next.status}`
      if (seen !== '200, 401' && !(doubtful.length > 0 && seen === '401, 200'))
        wrong.push(`logins by the last two passwords: ${seen}`)
      const isChanged = done > 0 || next.status === 200
      const before = await verify(other, own)
      if (before.status !== (next.status === 200 ? 401 : 204))
        wrong.push(`${seen}, and the caller's token: ${before.status}`)
      for (const session of others) {
        const state = await stateOf(other, session)
        if (state !== (isChanged ? 'over: password_changed' : 'alive'))
          wrong.push(`${seen}, and another session ${state}`)
      }
      const mine = await refresh(other, own)
      if (mine.status !== 200) wrong.push(`the caller was logged out: ${mine.body.reason}`)
      else if ((await verify(other, mine.body)).status !== 204) wrong.push("the caller's new token is dead")
      return wrong
    }
    return { cut: doubtful.length, check }
  }
}

/** Takes the second step of one login after the other, each by another recovery code: it opens one session, and the code is spent. */
function enteringByCodes({ codes, challenge }: Owner): Lane {
  return async (at, over) => {
    const step = (code: string) =>
      ['POST', '/v1/login/second-factor', { body: { challenge: challenge(), recovery_code: code } }] as const
    const { answered, doubtful } = await untilCut(codes.map(step), over, (each) => ask(at, ...each))
    const check = async (other: Service) => {
      const repeated = await Promise.all(doubtful.map((each) => insist(other, ...each)))
      const answers = [...answered.map(({ answer }) => answer), ...repeated]
      const wrong = answers.filter(({ status }) => status !== 200).map(({ status }) => `a second step: ${status}`)
      const last = answers.at(-1)
      if (wrong.length > 0 || last === undefined) return wrong
      const token = last.body.access_token
      const { sessions } = (await insist(other, 'GET', '/v1/sessions', { token })).body
      const listed = new Set<string>(sessions.map(({ id }: { id: string }) => id))
      if (listed.size !== answers.length || !answers.every(({ body }) => listed.has(body.session_id)))
        wrong.push(`${answers.length} sessions were opened, and there are ${listed.size}`)
      const { recovery_codes_left: left } = (await insist(other, 'GET', '/v1/factors', { token })).body
      if (left !== codes.length - answers.length) wrong.push(`${answers.length} codes were used, ${left} are left`)
      const spent = await insist(other, ...step(codes[0] as string))
      if (spent.status !== 401) wrong.push(`a code that was used: ${spent.status}`)
      return wrong
    }
    return { cut: doubtful.length, check }
  }
}

/** Enrols one app after the other: it is there and the other session of its owner is over, or neither; and again gives the same codes. */
function enrolling(people: readonly Enroller[]): Lane {
  return async (at, over) => {
    const confirm = ({ own, code }: { own: Session; code: string }) =>
      ['POST', '/v1/factors/totp/confirm', { token: own.access_token, body: { code } }] as const
    const enrolments = people.map((person) => ({ ...person, code: '' }))
    const { answered, doubtful } = await untilCut(enrolments, over, (enrolment) => {
      enrolment.code = codeAt(enrolment.secret, Math.floor(Date.now() / 30_000))
      return ask(at, ...confirm(enrolment))
    })
    const check = async (where: Service) => {
      const wrong: string[] = []
      const seen = async ({ own, other }: Enroller) => {
        const { totp } = (await insist(where, 'GET', '/v1/factors', { token: own.access_token })).body
        return `${totp ? 'enrolled' : 'not enrolled'}, and the other session ${await stateOf(where, other)}`
      }
      const done = 'enrolled, and the other session over: factor_changed'
      for (const enrolment of doubtful) {
        const before = await seen(enrolment)
        if (before !== done && before !== 'not enrolled, and the other session alive') wrong.push(`cut off: ${before}`)
      }
      for (const { thing, answer } of [...answered, ...doubtful.map((thing) => ({ thing, answer: null }))]) {
        const again = await insist(where, ...confirm(thing))
        const codes = (again.body.recovery_codes ?? []).join()
        if (again.status !== 200 || codes !== (answer?.body.recovery_codes.join() ?? codes))
          wrong.push(`an enrolment: ${answer?.status}, and again ${again.status}`)
        const after = await seen(thing)
        if (after !== done) wrong.push(after)
      }
      return wrong
    }
    return { cut: doubtful.length, check }
  }
}

/** A client that keeps a counter in its session, through all crashes. */
function counting(client: Session): Lane {
  let count = 0
  return async (at, over) => {
    const save = (value: number) =>
      ask(at, 'PATCH', '/v1/session/data', { token: client.access_token, body: { count: value } })
    const { answered, doubtful } = await untilCut(forever(), over, (turn) => save(count + turn + 1))
    const least = count + answered.length
    const check = async (other: Service) => {
      const { status, body } = await insist(other, 'GET', '/v1/session/data', { token: client.access_token })
      const found = body.count ?? 0
      count = Math.max(found, least)
      if (found === least || (doubtful.length > 0 && found === least + 1)) return []
      return [`saved ${least} and found ${found} (${status})`]
    }
    return { cut: doubtful.length, check }
  }
}

function lanesOf(
  { leavers, remover, deserters, changer, holder, enrollers }: Round,
  steady: readonly Lane[],
): readonly Lane[] {
  const [byRefresh, byAccess] = leavers as [Person, Person]
  const [owner, ...targets] = remover.sessions as [Session, ...Session[]]
  const alone = (sessions: readonly Session[]) => sessions.map((session) => [session])
  return [
    ...steady,
    ending(alone(byRefresh.sessions), 'logged_out', (_, [session]) => [
      'POST',
      '/v1/logout',
      { body: { refresh_token: (session as Session).refresh_token } },
    ]),
    ending(alone(byAccess.sessions), 'logged_out', (_, [session]) => [
      'POST',
      '/v1/logout',
      { token: (session as Session).access_token, body: { scope: 'session' } },
    ]),
    ending(alone(targets), 'revoked', (_, [session]) => [
      'DELETE',
      `/v1/sessions/${(session as Session).session_id}`,
      { token: owner.access_token },
    ]),
    ending(
      deserters.map(({ sessions }) => sessions),
      'logged_out',
      (_, [session]) => ['POST', '/v1/logout', { token: (session as Session).access_token, body: { scope: 'all' } }],
    ),
    registering(),
    changingPassword(changer),
    enteringByCodes(holder),
    enrolling(enrollers),
  ]
}

async function crash(t: Test, env: Env): Promise<void> {
  const random = randomFrom(SEED)
  t.comment(`SEED=${SEED} CRASHES=${CRASHES}`)
  const shared = {
    ISSUER: 'http://localhost:3000',
    AUTH_SECRET: TEST_SECRET,
    ACCESS_TTL: '1h',
    SESSION_IDLE: '2h',
    STEP_UP_AGE: '1h',
    SESSION_MAX: '1000',
    ...NO_LIMITS,
    ...env,
  }
  const home = await openHome(shared)
  const { person, round: makeRound } = await makePeople(home)
  const rounds = await Promise.all(Array.from({ length: ROUNDS }, makeRound))
  const steady = await person(3)
  const [first, second, third] = steady.sessions as [Session, Session, Session]
  const clients = [refreshing(first), refreshing(second), counting(third)]
  await home.close() // from here on there are only processes that can be killed

  const started: Service[] = []
  const launch = async () => {
    const service = await startService(shared)
    started.push(service)
    return service
  }
  t.teardown(() => Promise.all(started.map((service) => service.kill())))
  let [victim, witness] = await Promise.all([launch(), launch()])
  const wrong: string[] = []
  let cut = 0
  let turn = 0
  for (; cut < CRASHES && turn < rounds.length; turn += 1) {
    const over = new AbortController()
    const running = lanesOf(rounds[turn] as Round, clients).map((lane) => lane(victim, over.signal))
    const delay = 5 + random() * 150
    await sleep(delay)
    over.abort()
    const isColdStart = turn % 4 === 3 // nobody is left: the next one starts on what lies on the disk
    await Promise.all([victim.kill(), isColdStart && witness.kill()])
    if (isColdStart) witness = await launch()
    const nextWitness = launch()
    for (const { cut: here, check } of await Promise.all(running)) {
      cut += here
      wrong.push(
        ...(await check(witness)).map((what) => `round ${turn}, killed after ${Math.round(delay)} ms: ${what}`),
      )
    }
    victim = witness
    witness = await nextWitness
  }
  t.comment(`${cut} requests were cut off in ${turn} rounds`)
  t.ok(cut >= CRASHES, `${cut} of ${CRASHES}`)
  t.strictSame(wrong.slice(0, 10), [], `${wrong.length} things were wrong`)
  const events = (name: string) => started.flatMap((service) => service.events(name))
  t.strictSame(events('session.reused'), [], 'nobody was taken for a thief')
  t.strictSame(
    events('session.refreshed').filter(({ how }) => how === 'heal'),
    [],
    'no rotation that was answered had been lost',
  )
  t.ok(
    events('session.refreshed').some(({ how }) => how === 'repeat'),
    'answers were lost, and given again',
  )
}

t.test('kill -9 on LMDB leaves nothing half-done and loses nothing that was answered', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-crash-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  await crash(t, { DATA_DIR: dir })
})

t.test('kill -9 on Redis leaves nothing half-done and loses nothing that was answered', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  await crash(t, { REDIS_URL: redis.url })
})
