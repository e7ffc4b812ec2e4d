import { randomBytes } from 'node:crypto'
import { askForSecondFactor } from '../../src/auth/credentials/second-step.ts'
import { newRecoveryCodes } from '../../src/auth/factors/enrol.ts'
import { newId } from '../../src/domain/id.ts'
import { sealFor } from '../../src/domain/sealed-for.ts'
import { base32, TOTP_SECRET_BYTES } from '../../src/domain/totp.ts'
import { keys } from '../../src/store/keys.ts'
import { put } from '../../src/store/store.ts'
import { appOf, type SoftApp, STEP_MS } from '../support/factors.ts'
import type { Answer } from '../support/home.ts'
import {
  type Access,
  type Challenge,
  CHALLENGE_TTL,
  endOthers,
  expect,
  type Enrolled,
  inSession,
  isAmbiguous,
  isDead,
  isFresh,
  isSurely,
  meet,
  oldest,
  openedBy,
  PENDING_TTL,
  pick,
  type Proof,
  receive,
  refuse,
  SAME_ORIGIN,
  type Session,
  someAccess,
  standing,
  type User,
  wordOf,
  type World,
} from './oracle.ts'

// Second factors in random histories: authenticator apps and recovery codes, logins in two steps, and step-ups.

type Numbers = { readonly a: number; readonly b: number; readonly c: number }
type Holder = { readonly session: Session; readonly token: Access }
type Wish = Pick<Challenge, 'transport' | 'remember'>

export const factorSteps = {
  async beginApp(world: World, { a, b, c }: Numbers) {
    const holder = someAccess(world, a, b)
    if (holder) await beginApp(world, holder, c)
  },

  /** A code of the app that is about to be enrolled, the one that has enrolled an app, or a wrong one. */
  async confirmApp(world: World, { a, b, c }: Numbers) {
    const holder = someAccess(world, a, b)
    if (!holder) return
    const { pending, confirmed } = holder.session.user.factors
    const code = [confirmed?.code, confirmed?.code, pending?.app.code(), pending?.app.code(5), '000000'][c % 5]
    if (code !== undefined) await confirm(world, holder, code)
  },

  async removeApp(world: World, { a, b, c }: Numbers) {
    const holder = someAccess(world, a, b)
    if (!holder) return
    const { factors } = holder.session.user
    for (let times = 0; times <= c % 2; times += 1) {
      const answer = await ask(world, holder, 'DELETE', '/v1/factors/totp')
      if (answer === null) return
      expectFresh(times === 0 ? 'removing the app' : 'removing it again', answer, holder, '204', world.home.clock.now)
      if (answer.status !== 204 || factors.enrolled === null) continue
      Object.assign(factors, { enrolled: null, pending: null, confirmed: null })
    }
  },

  async listFactors(world: World, { a, b }: Numbers) {
    const holder = someAccess(world, a, b)
    const answer = holder && (await ask(world, holder, 'GET', '/v1/factors'))
    if (!answer) return
    const { enrolled } = holder.session.user.factors
    const { totp, recovery_codes_left } = answer.body
    expect('the factors', `${totp} ${recovery_codes_left}`, [`${enrolled !== null} ${enrolled?.left.length ?? 0}`])
  },

  /** Answers a new challenge or an earlier one, often several times; now and then the session is used in between. */
  async secondStep(world: World, { a, b, c }: Numbers) {
    const user = pick(world.users, a % 3 === 0 ? 1 : 0) as User
    await enrolAtOnce(world, user)
    const challenge = b % 4 === 0 ? user.challenges.at(-1 - (c % 2)) : await beginLogin(world, user, b)
    if (!challenge) return
    for (let times = 0; times <= c % 3; times += 1) {
      await answerChallenge(world, challenge, someProof(world, user, challenge.answered?.shown ?? null, c + times))
      if (b % 3 === times) await useSession(world, challenge, b)
    }
    const another = c % 2 === 0 ? await beginLogin(world, user, b) : null
    if (another && challenge.answered) await answerChallenge(world, another, challenge.answered.shown)
  },

  /** By the password or by a code, now and then twice. */
  async stepUp(world: World, { a, b, c }: Numbers) {
    const holder = someAccess(world, a, b)
    if (!holder) return
    const { user, steppedUpBy } = holder.session
    if (b % 2 === 0) await enrolAtOnce(world, user)
    const password = c % 3 === 0 ? `${user.password}?` : user.password
    if (b % 3 === 1 || user.factors.enrolled === null) return stepUpByPassword(world, holder, password)
    const proof = someProof(world, user, steppedUpBy, c)
    for (let times = 0; times <= (b >> 1) % 2; times += 1) await stepUpByCode(world, holder, proof)
  },
}

/** Asks by an access token; null: the token itself was refused. */
async function ask(
  world: World,
  { session, token }: Holder,
  method: string,
  path: string,
  body?: object,
): Promise<Answer | null> {
  const answer = await world.home.call(method, path, { token: token.text, ...(body && { body }) })
  await meet(world, session, token)
  return isDead(answer, token, world.home.clock.now) ? null : answer
}

function expectFresh(what: string, answer: Answer, { session, token }: Holder, wanted: string, now: number): void {
  const isOpen = isFresh(session.user, token, now)
  expect(what, wordOf(answer), inSession(session, isOpen ? wanted : '403 step_up_required', now))
}

/** Proven in this session, by these methods. */
function prove(session: Session, methods: string, now: number): void {
  const all = `${session.amr} ${methods}`.split(' ')
  session.amr = ['pwd', 'otp', 'mfa'].filter((method) => all.includes(method)).join(' ')
  session.authAt = now
}

// ---- Enrolling ----

/** The app is given a secret, and most often shows a code at once, now and then by an older token. */
async function beginApp(world: World, holder: Holder, index: number): Promise<void> {
  const { home } = world
  const { factors } = holder.session.user
  const answer = await ask(world, holder, 'POST', '/v1/factors/totp')
  if (answer === null) return
  expectFresh('beginning an app', answer, holder, '200', home.clock.now)
  if (answer.status === 200) {
    const isOld = factors.pending !== null && home.clock.now - factors.pending.madeAt >= PENDING_TTL
    const isSame = answer.body.secret === factors.pending?.app.secret
    expect('the secret of a second try is the same', isSame, isOld ? [true, false] : [factors.pending !== null])
    if (!isSame) factors.pending = { app: appOf(home, answer.body.secret), madeAt: home.clock.now }
  }
  if (factors.pending === null || index % 7 === 0) return
  const { session, token } = holder
  const by = index % 7 > 2 ? oldest(session, home.clock.now) : token
  const code = factors.pending.app.code((index % 5) - 2)
  const codes = index % 3 === 0 ? [code, code, '000000'] : [code]
  for (const each of codes) await confirm(world, { session, token: by ?? token }, each)
}

/** Gives the user an app, without the work of enrolling it and without its ends. */
export async function enrolAtOnce({ home }: World, user: User): Promise<void> {
  const { deps, clock } = home
  const entry = user.factors.enrolled === null && (await deps.store.get(keys.user(user.id)))
  if (!entry) return
  const secret = randomBytes(TOTP_SECRET_BYTES)
  const lastStep = stepAt(clock.now) - 2
  const { codes, recoveryCodes } = newRecoveryCodes(deps, entry.value, newId())
  const totp = { sealed: sealFor(deps.authKeys, user.id, 'totp', secret), lastStep }
  const written = put(entry.key, { ...entry.value, factors: { totp, passkeys: [], recoveryCodes } }, null)
  if (!(await deps.store.commit({ checks: [entry], puts: [written], deletes: [] }))) refuse('a race for the user')
  user.factors.enrolled = { app: appOf(home, base32(secret)), lastStep, codes, left: codes }
}

/** The app shows a code of its secret. */
async function confirm(world: World, holder: Holder, code: string): Promise<void> {
  const { session } = holder
  const { factors } = session.user
  const { now } = world.home.clock
  const { pending, confirmed, enrolled } = factors
  if (pending !== null && now - pending.madeAt >= PENDING_TTL) return
  const answer = await ask(world, holder, 'POST', '/v1/factors/totp/confirm', { code })
  if (answer === null) return
  if (pending === null && confirmed?.session === session) {
    const isSame = code === confirmed.code && enrolled?.left.length === enrolled?.codes.length
    expect('confirming an app again', wordOf(answer), inSession(session, isSame ? '200' : '400 code_invalid', now))
    if (answer.status !== 200) return
    expect('the codes', answer.body.recovery_codes.join(), [enrolled?.codes.join()])
  } else {
    const step = pending && stepOf(pending.app, code, now)
    expectFresh('confirming an app', answer, holder, step === null ? '400 code_invalid' : '200', now)
    if (answer.status === 200) enrol(session, { app: pending?.app as SoftApp, lastStep: step as number }, answer, now)
    if (answer.status === 200) factors.confirmed = { session, code }
  }
  if (answer.status === 200) expect('the current token', receive(session, answer, now), [session.tokens.at(-1)])
}

function enrol(session: Session, app: Pick<Enrolled, 'app' | 'lastStep'>, { body }: Answer, now: number): void {
  const { user } = session
  const codes: readonly string[] = body.recovery_codes
  expect('different recovery codes', new Set([...codes, ...(user.factors.enrolled?.codes ?? [])]).size, [
    10 + (user.factors.enrolled?.codes.length ?? 0),
  ])
  user.factors.enrolled = { ...app, codes, left: codes }
  user.factors.pending = null
  prove(session, 'otp mfa', now)
  endOthers(user, session, 'factor_changed', now)
}

// ---- What is shown ----

/** The step around now whose code this is, if it comes after the last one; null: none. */
function stepOf(app: SoftApp, code: string, now: number, lastStep = 0): number | null {
  const ahead = [1, 0, -1].find((steps) => app.code(steps) === code && stepAt(now) + steps > lastStep)
  return ahead === undefined ? null : stepAt(now) + ahead
}

const stepAt = (now: number) => Math.floor(now / STEP_MS)

/** A code that is good, if the user has one. */
export function goodProof(world: World, user: User): Proof {
  return someProof(world, user, null, 0)
}

/** Most often what is good; else what is spent, was shown before, is too early, of somebody else, or wrong. */
function someProof({ users, home }: World, user: User, before: Proof | null, index: number): Proof {
  const [own, foreign] = [user, users.find((each) => each !== user)].map((each) => each?.factors.enrolled)
  const unspent = [-1, 0, 1].find((steps) => own && stepAt(home.clock.now) + steps > own.lastStep)
  const totp = (by: Enrolled | null | undefined, steps = 0) => by && { totp: by.app.code(steps) }
  const recovery = (code: string | undefined) => code && { recovery_code: code }
  const used = own?.codes.findLast((code) => !own.left.includes(code))
  const all = [
    totp(own, unspent),
    recovery(own?.left[0]),
    before ?? recovery(own?.left[0]),
    recovery(index % 16 < 8 ? used : foreign?.left[0]),
    totp(own, unspent),
    totp(own, (index % 5) - 2),
    before,
    totp(own, (own?.lastStep ?? 0) - stepAt(home.clock.now)),
    totp(foreign),
  ]
  return all[index % all.length] || { recovery_code: 'AAAAA-AAAAA' }
}

interface Worth {
  readonly amr: string
  readonly spend: () => void
}

/** What a code proves of the user now; null: nothing. */
function worthOf({ factors: { enrolled } }: User, proof: Proof, now: number): Worth | null {
  if (enrolled === null) return null
  if ('totp' in proof) {
    const step = stepOf(enrolled.app, proof.totp, now, enrolled.lastStep)
    return step === null ? null : { amr: 'otp mfa', spend: () => void (enrolled.lastStep = step) }
  }
  const left = enrolled.left.filter((code) => code !== proof.recovery_code)
  return left.length === enrolled.left.length ? null : { amr: 'mfa', spend: () => void (enrolled.left = left) }
}

const kindOf = (proof: Proof) => Object.keys(proof).join()
const isSame = (one: Proof, other: Proof | null | undefined) => JSON.stringify(one) === JSON.stringify(other)

// ---- Logins in two steps ----

/** The password was right. */
export function challengeOf(user: User, text: string, wish: Wish, now: number): Challenge {
  const challenge = { ...wish, text, user, madeAt: now, killedBy: null, answered: null }
  user.challenges.push(challenge)
  return challenge
}

/** The first step, without the work on the password; null: the user is not asked for a second one. */
export async function beginLogin({ home }: World, user: User, index: number): Promise<Challenge | null> {
  if (user.factors.enrolled === null || user.isDisabled) return null
  const entry = await home.deps.store.get(keys.user(user.id))
  if (entry === null) throw new Error('nobody can log in')
  const wish = { transport: index % 4 === 1 ? 'cookie' : 'body', remember: index % 2 === 0 } as const
  const { challenge, factors } = await askForSecondFactor(home.deps, entry.value, wish)
  expectFactors(user, factors)
  return challengeOf(user, challenge, wish, home.clock.now)
}

/** What the first step says that may be shown. */
export function expectFactors({ factors: { enrolled } }: User, said: readonly string[]): void {
  expect('what may be shown', said.join(), [enrolled?.left.length === 0 ? 'totp' : 'totp,recovery_code'])
}

export async function answerChallenge(world: World, challenge: Challenge, proof: Proof): Promise<void> {
  const { call, clock } = world.home
  const { user, answered, transport, remember } = challenge
  const { now } = clock
  if (user.sessions.some((session) => isAmbiguous(session, now))) return
  const body = { challenge: challenge.text, ...proof }
  const answer = await call('POST', '/v1/login/second-factor', { body, headers: SAME_ORIGIN })
  const killedBy = challenge.killedBy ?? (now - challenge.madeAt >= CHALLENGE_TTL ? 'age' : null)
  if (killedBy !== null) return expect(`second step, dead by ${killedBy}`, wordOf(answer), ['400 code_invalid'])
  if (answered !== null && isSame(proof, answered.shown)) return judgeRepeat(answered.session, answer, now)
  const worth = worthOf(user, proof, now)
  const what = `second step by ${kindOf(proof)}`
  expect(what, wordOf(answer), [worth === null ? '401 bad_credentials' : '200'])
  if (worth === null) return
  worth.spend()
  const session = openedBy(answer, user, { transport, remember, amr: `pwd ${worth.amr}` }, now)
  session.isUnseen = 'yes'
  challenge.answered = { shown: proof, session }
}

/** The client has the answer, and does something with it. */
async function useSession(world: World, { answered }: Challenge, index: number): Promise<void> {
  const session = answered?.session
  const token = session?.access.at(-1)
  if (!session || !token) return
  if (index % 2 === 0) await ask(world, { session, token }, 'GET', '/v1/factors')
  else await stepUpByCode(world, { session, token }, someProof(world, session.user, null, index))
}

/** The same challenge and the same code: the same session, until one of its tokens has come back. */
function judgeRepeat(session: Session, answer: Answer, now: number): void {
  const said = standing(session, now)
  expect('second step, repeat', wordOf(answer), [
    ...(said.has('alive') && session.isUnseen !== 'no' ? ['200'] : []),
    ...(isSurely(said, 'alive') && session.isUnseen === 'yes' ? [] : ['401 bad_credentials']),
  ])
  if (answer.status === 200) expect('the same token', receive(session, answer, now), [session.tokens.at(-1)])
}

// ---- Step-up ----

async function stepUpByPassword(world: World, holder: Holder, password: string): Promise<void> {
  const { session } = holder
  const { now } = world.home.clock
  const answer = await ask(world, holder, 'POST', '/v1/step-up', { password })
  if (answer === null) return
  const right = password === session.user.password ? '200' : '403 wrong_password'
  const wanted = session.user.factors.enrolled === null ? right : '403 step_up_required'
  expect('step-up by password', wordOf(answer), inSession(session, wanted, now))
  if (answer.status === 200) proven(session, 'pwd', answer, now)
}

/** The last code of the session is answered again, and is no new proof. */
async function stepUpByCode(world: World, holder: Holder, proof: Proof): Promise<void> {
  const { session } = holder
  const { now } = world.home.clock
  const answer = await ask(world, holder, 'POST', '/v1/step-up', proof)
  if (answer === null) return
  const isRepeat = isSame(proof, session.steppedUpBy)
  const worth = isRepeat ? null : worthOf(session.user, proof, now)
  const what = isRepeat ? 'step-up, repeat' : `step-up by ${kindOf(proof)}`
  const wanted = isRepeat || worth !== null ? '200' : '403 wrong_password'
  expect(what, wordOf(answer), inSession(session, wanted, now))
  if (answer.status !== 200) return
  if (isRepeat) return void receive(session, answer, now)
  worth?.spend()
  session.steppedUpBy = proof
  proven(session, worth?.amr ?? '', answer, now)
}

/** By the latest token of the session, with a code that is good. */
export async function stepUpAtOnce(world: World, session: Session): Promise<void> {
  const token = session.access.at(-1)
  if (token) await stepUpByCode(world, { session, token }, goodProof(world, session.user))
}

function proven(session: Session, methods: string, answer: Answer, now: number): void {
  prove(session, methods, now)
  expect('the current token', receive(session, answer, now), [session.tokens.at(-1)])
}
