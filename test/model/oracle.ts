import { keys } from '../../src/store/keys.ts'
import type { Purpose } from '../../src/domain/one-time-secret.ts'
import { NO_MAIL_LIMITS } from '../support/env.ts'
import type { SoftApp } from '../support/factors.ts'
import type { Answer, Home } from '../support/home.ts'

// What the oracle of random histories remembers and expects: it knows the contract, and not the code.

// One idle timeout is hardly longer than the life of an access token.
export const S = 1000
export const GRACE = 10 * S
export const LEEWAY = 10 * S
export const ACCESS_TTL = 40 * S
export const SESSION_MAX = 3
export const IDLE = { short: 50 * S, long: 600 * S }
export const LETTER_TTL = 60 * S
export const SPENT = 900 * S
export const STEP_UP_AGE = 45 * S
export const CHALLENGE_TTL = 600 * S
export const PENDING_TTL = 3600 * S
export const ABSOLUTE = { short: 70 * S, long: 700 * S }
export const SETTINGS = {
  REFRESH_GRACE: '10s',
  ACCESS_TTL: '40s',
  SESSION_IDLE: '50s',
  SESSION_ABSOLUTE: '70s',
  REMEMBER_IDLE: '10m',
  REMEMBER_ABSOLUTE: '700s',
  SESSION_MAX: '3',
  KEY_ROTATION: '1h',
  LOG_LEVEL: 'silent',
  RESET_TTL: '60s',
  VERIFY_TTL: '60s',
  STEP_UP_AGE: '45s',
  LIMIT_SECOND_FACTOR: '1000000/24h',
  LIMIT_CODES: '1000000/1m',
  ...NO_MAIL_LIMITS,
}

export const CALLER = { ip: '127.0.0.1', network: '127.0.0.1', userAgent: 'test', requestId: 'test' }
export const SAME_ORIGIN = { 'sec-fetch-site': 'same-origin' }
export const COOKIE = '__Host-refresh_token'
export const ROLES = ['editor', 'billing:read', 'x.y_z-1']

// ---- What the oracle remembers ----

/** `maybe`: the contract leaves it open, both are accepted. */
export type Tri = 'no' | 'maybe' | 'yes'

export type Access = {
  readonly text: string
  readonly rtc: number
  readonly acr: string
  /** Seconds since the epoch. */
  readonly authTime: number
  readonly expiresAt: number
  isRevoked: Tri
  /** Revoked by a change of roles alone: it lets nobody in, and its session goes on, which a logout by it ends. */
  isOutdated: boolean
}

export type Session = {
  readonly id: string
  readonly user: User
  readonly transport: 'body' | 'cookie'
  readonly remember: boolean
  readonly idle: number
  readonly absoluteAt: number
  /** Refresh tokens by their counter; the last one is current. */
  readonly tokens: string[]
  /** When each spent token was first used, by counter. */
  readonly firstUsedAt: number[]
  /** The counter of the latest refresh token the client is known to have received, surely and perhaps. */
  held: number
  maybeHeld: number
  usedAt: number
  /** The latest token that was answered again outside its grace, and at how many rotations in a row that was so. */
  late: { counter: number; streak: number } | null
  /** The first token since the password was changed. */
  changedFrom: number
  /** Why it was ended; several where a timeout came first and either may be said. */
  ended: readonly string[] | null
  readonly access: Access[]
  data: number | null
  /** What its person has proven, and when last. */
  amr: string
  authAt: number
  /** None of its tokens has come back since a second step opened it. */
  isUnseen: Tri
  /** The last code that was taken at a step-up. */
  steppedUpBy: Proof | null
}

/** What a mail holds, and when it was made and last asked for; `email` is where it went. */
export type Letter = {
  readonly token: string
  readonly code: string
  readonly madeAt: number
  askedAt: number
  email: string
}

/** What was used last, when, and with which password. */
export type Spent = { readonly letter: Letter; readonly at: number; readonly password: string }

/** The mails of one purpose. */
export type Mails = { current: Letter | null; spent: Spent | null }

/** A second factor as bodies show it. */
export type Proof = { readonly totp: string } | { readonly recovery_code: string }

/** An authenticator app that is enrolled. */
export type Enrolled = {
  readonly app: SoftApp
  /** The last step that was spent. */
  lastStep: number
  readonly codes: readonly string[]
  /** The recovery codes that are not used. */
  left: readonly string[]
}

/** What a right password has given, and what has answered it. */
export type Challenge = {
  readonly text: string
  readonly user: User
  readonly transport: Channel
  readonly remember: boolean
  readonly madeAt: number
  /** What has ended it before its time. */
  killedBy: string | null
  answered: { readonly shown: Proof; readonly session: Session } | null
}

export type Factors = {
  enrolled: Enrolled | null
  pending: { readonly app: SoftApp; readonly madeAt: number } | null
  /** What enrolled the app. */
  confirmed: { readonly session: Session; readonly code: string } | null
}

export const noFactors = (): Factors => ({ enrolled: null, pending: null, confirmed: null })

export type User = {
  id: string
  email: string
  password: string
  isThere: boolean
  isVerified: boolean
  /** What the operator has said. */
  isDisabled: boolean
  roles: readonly string[]
  sessions: Session[]
  mails: Record<Purpose, Mails>
  factors: Factors
  challenges: Challenge[]
}

export const noMails = (): User['mails'] => ({
  verify: { current: null, spent: null },
  reset: { current: null, spent: null },
  change: { current: null, spent: null },
})

/** What is so of everybody who has just registered. */
export const blank = (): Omit<User, 'id' | 'email' | 'password' | 'challenges'> => ({
  isThere: true,
  isVerified: false,
  isDisabled: false,
  roles: [],
  sessions: [],
  mails: noMails(),
  factors: noFactors(),
})

/** The home, and the operator's way in. */
export type OperatedHome = Home & { readonly admin: (method: string, path: string, body?: object) => Promise<Answer> }

export type World = { readonly home: OperatedHome; readonly users: readonly User[]; readonly trace: string[] }

export const latest = (session: Session) => session.tokens.length - 1

/** Whether the session is alive at `now`: a closed list of what may be said of it; `alive` or reasons. */
export function standing(session: Session, now: number): ReadonlySet<string> {
  if (session.ended !== null) return new Set(forgotten(session, now) ? [...session.ended, 'unknown'] : session.ended)
  const idlesOutAt = session.usedAt + session.idle
  if (now < Math.min(idlesOutAt, session.absoluteAt)) return new Set(['alive'])
  const said = new Set([idlesOutAt < session.absoluteAt ? 'idle_timeout' : 'absolute_timeout'])
  return forgotten(session, now) ? said.add('unknown') : said
}

/** Nothing of the session needs to be remembered when none of its tokens could have been alive for a minute. */
export function forgotten({ absoluteAt, idle }: Session, now: number): boolean {
  return now >= absoluteAt + idle + 60 * S
}

export const isSurely = (said: ReadonlySet<string>, what: string) => said.size === 1 && said.has(what)

export const isTimeout = (reason: string) => reason === 'idle_timeout' || reason === 'absolute_timeout'

/** Somebody has ended it; where a timeout came first, that may be said, or whatever came after it. */
export function end(session: Session, reason: string, now: number): void {
  addReason(session, reason, now)
  for (const token of session.access) token.isRevoked = 'yes'
}

export function addReason(session: Session, reason: string, now: number): void {
  if (session.ended !== null && !session.ended.some(isTimeout)) return
  const before = [...standing(session, now)].filter((said) => said !== 'alive')
  session.ended = [...new Set([reason, ...before])]
}

// ---- Requests ----

export type Claims = {
  exp: number
  iat: number
  rtc: number
  amr: string[]
  acr: string
  auth_time: number
  sid: string
  sub: string
  email_verified?: true
  roles?: string[]
}

export function decode(text: string): Claims {
  return JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString())
}

export function cookiesIn({ headers }: Answer): string[] {
  return [headers['set-cookie'] ?? []].flat()
}

/** The refresh token that an answer sets as a cookie; '' when it takes the cookie back; undefined when it leaves it alone. */
export function cookieIn(answer: Answer): string | undefined {
  const [cookie] = cookiesIn(answer)
  return cookie === undefined ? undefined : (cookie.split(';')[0] ?? '').slice(COOKIE.length + 1)
}

export type Channel = 'body' | 'cookie'

export function presenting(token: string, channel: Channel, body: object = {}) {
  if (channel === 'body') return { body: { ...body, refresh_token: token } }
  const headers = { ...SAME_ORIGIN, cookie: `${COOKIE}=${token}` }
  return Object.keys(body).length === 0 ? { headers } : { body, headers }
}

/** What went against the contract: ends the run. */
export function refuse(what: string): never {
  throw new Error(what)
}

/** What has been answered to what, over all histories: a test that never meets a rule does not test it. */
export const outcomes = new Map<string, number>()

export function expect(what: string, seen: unknown, wanted: readonly unknown[]): void {
  if (typeof seen === 'string' && /^[1-5]\d\d\b/.test(seen))
    outcomes.set(`${what}: ${seen}`, (outcomes.get(`${what}: ${seen}`) ?? 0) + 1)
  if (!wanted.includes(seen)) refuse(`${what}: ${String(seen)} instead of ${wanted.join(' or ')}`)
}

/** The answer in one word: its status and code, and the reason where a session is over. */
export const wordOf = ({ status, body }: Answer) =>
  [status, body?.code, body?.reason].filter((part) => part !== undefined).join(' ')

// ---- The rules ----

/** Takes new tokens into the books and checks that they are what an answer must hold. */
export function receive(session: Session, answer: Answer, now: number): string {
  const { body } = answer
  const token = session.transport === 'body' ? body.refresh_token : cookieIn(answer)
  if (session.transport === 'cookie') {
    expect('refresh token in the body in cookie mode', body.refresh_token, [undefined])
    const [cookie = ''] = cookiesIn(answer)
    for (const attribute of ['HttpOnly', 'Secure', 'SameSite=Strict', 'Path=/'])
      if (!cookie.includes(attribute)) refuse(`no ${attribute}`)
    expect('a lasting cookie', cookie.includes('Max-Age'), [session.remember])
  } else expect('cookies in body mode', cookiesIn(answer).length, [0])
  expect('session_id', body.session_id, [session.id])
  addAccess(session, body.access_token)
  const until = Math.min(session.usedAt + session.idle, session.absoluteAt)
  expect('refresh_expires_in', body.refresh_expires_in, [Math.ceil((until - now) / S)])
  if (body.expires_in > ACCESS_TTL / S || body.expires_in < Math.floor((ACCESS_TTL / S) * 0.95))
    refuse(`expires_in ${body.expires_in}`)
  return token
}

export function addAccess(session: Session, text: string): void {
  const claims = decode(text)
  expect('rtc', claims.rtc, [latest(session)])
  expect('sid', claims.sid, [session.id])
  expect('sub', claims.sub, [session.user.id])
  expect('amr', claims.amr.join(' '), [session.amr])
  expect('acr', claims.acr, [session.amr.includes('mfa') ? 'aal2' : 'aal1'])
  expect('auth_time', claims.auth_time, [Math.floor(session.authAt / S)])
  expect('the roles', (claims.roles ?? []).join(), [session.user.roles.join()])
  const { rtc, acr, auth_time: authTime } = claims
  const expiresAt = claims.exp * S + LEEWAY
  session.access.push({ text, rtc, acr, authTime, expiresAt, isRevoked: 'no', isOutdated: false })
}

export type Rule = 'rotate' | 'repeat' | 'late' | 'superseded' | 'reuse'

/** What refreshing with the token of this counter does to a session that is alive. */
export function ruleOfRefresh(session: Session, counter: number, now: number): ReadonlySet<Rule> {
  if (counter === latest(session)) return new Set(['rotate'])
  const age = now - (session.firstUsedAt[counter] ?? 0)
  const isInGrace = age < GRACE
  const rules = new Set<Rule>()
  if (counter >= session.held && age < session.idle) {
    if (isInGrace) rules.add('repeat')
    else rules.add(streakWith(session, counter) < 4 ? 'late' : 'reuse')
  }
  if (counter < session.maybeHeld || age >= session.idle) {
    if (isInGrace) rules.add(counter < session.changedFrom ? 'superseded' : 'repeat')
    else rules.add('reuse')
  }
  return rules
}

/** At how many rotations in a row somebody came late, if this token does now; one that comes again counts once. */
export function streakWith({ late }: Session, counter: number): number {
  if (late !== null && counter <= late.counter) return late.streak
  return late?.counter === counter - 1 ? late.streak + 1 : 1
}

export function comeLate(session: Session, counter: number): void {
  if (session.late !== null && counter <= session.late.counter) return
  session.late = { counter, streak: streakWith(session, counter) }
}

export function rotate(session: Session, token: string, now: number): void {
  if (session.tokens.includes(token)) refuse('a new refresh token is an old one')
  session.firstUsedAt.push(now)
  session.tokens.push(token)
  session.isUnseen = 'no'
}

/** The client is known to have received the token of this counter. */
export function hold(session: Session, counter: number): void {
  session.held = Math.max(session.held, counter)
  session.maybeHeld = Math.max(session.maybeHeld, session.held)
}

/** The answers that a rule of refreshing allows. */
export const ANSWERS: Record<Rule, string> = {
  rotate: '200',
  repeat: '200',
  late: '200',
  superseded: '401 session_over password_changed',
  reuse: '401 session_over token_reused',
}

/** A refresh token is presented by its own way: checks the answer and changes the books. */
export function judgeRefresh(session: Session, counter: number, answer: Answer, now: number): void {
  const said = standing(session, now)
  const rules = said.has('alive') ? ruleOfRefresh(session, counter, now) : new Set<Rule>()
  const wanted = [...said].filter((reason) => reason !== 'alive').map((reason) => `401 session_over ${reason}`)
  const [rule = 'over'] = rules
  expect(`refresh, ${rules.size > 1 ? 'open' : rule}`, wordOf(answer), [
    ...wanted,
    ...[...rules].map((each) => ANSWERS[each]),
  ])
  if (answer.status !== 200) {
    const isSuperseded = rules.has('superseded') && answer.body.reason === 'password_changed'
    if (session.transport === 'cookie') expect('the cookie', cookieIn(answer), [isSuperseded ? undefined : ''])
    if (answer.body.reason === 'token_reused') end(session, 'token_reused', now)
    return
  }
  hold(session, counter)
  if (rules.has('late')) comeLate(session, counter)
  if (rules.has('rotate')) {
    session.usedAt = now
    const token = session.transport === 'body' ? answer.body.refresh_token : cookieIn(answer)
    rotate(session, token, now)
  }
  expect('the successor', receive(session, answer, now), [session.tokens.at(-1)])
}

/** What may be said of an access token; `alive` or codes. */
export function standingOf(token: Access, now: number): ReadonlySet<string> {
  const said = new Set<string>()
  if (now >= token.expiresAt) said.add('token_expired')
  if (now >= token.expiresAt + 50 * S) said.add('token_invalid') // its signing key may have left the ring
  if (token.isRevoked !== 'no') said.add('token_revoked')
  if (now < token.expiresAt && token.isRevoked !== 'yes') said.add('alive')
  return said
}

export const pick = <T>(things: readonly T[], index: number): T | undefined =>
  things[index % Math.max(1, things.length)]
export const sessionsOf = ({ users }: World) => users.flatMap(({ sessions }) => sessions)

/** A session, more often a young one than an old one. */
export function someSession(world: World, index: number): Session | undefined {
  const sessions = sessionsOf(world)
  return index % 3 === 0 ? pick(sessions, index) : pick(sessions.slice(-5), index)
}

/** A counter, most often that of the current token or of the one before it. */
export function someCounter(session: Session, index: number): number {
  const back = [0, 0, 0, 1, 1, 1, 2, 3, 5, 8][index % 10] ?? 0
  return Math.max(0, latest(session) - back)
}

/** The latest token of a session, or some other, or the oldest that lives. */
export function someAccess(world: World, a: number, b: number): { session: Session; token: Access } | null {
  const session = someSession(world, a)
  const old = session && b % 8 === OLDEST ? oldest(session, world.home.clock.now) : undefined
  const token = session && (old ?? pick(session.access.slice(b % 4 === 0 ? 0 : -1), b))
  return session && token ? { session, token } : null
}

/** The number by which `someAccess` picks the oldest token. */
export const OLDEST = 4

export const oldest = ({ access }: Session, now: number) => access.find((token) => standingOf(token, now).has('alive'))

/**
 * The service has met the access token: if it is of the current rotation, or of a session that a second step has opened, that is
 * confirmed within a second.
 */
export async function meet({ home }: World, session: Session, token: Access): Promise<void> {
  if ((token.rtc <= session.held && session.isUnseen === 'no') || session.ended !== null) return
  session.maybeHeld = Math.max(session.maybeHeld, token.rtc)
  mayBeSeen(session)
  if (token.rtc !== latest(session) || !standingOf(token, home.clock.now).has('alive')) return
  const recordKey = keys.session(session.user.id, session.id)
  for (const until = performance.now() + 1000; ;) {
    const entry = await home.deps.store.get(recordKey)
    if (entry === null || entry.value.kind === 'ended') break
    if (entry.value.held >= token.rtc && !entry.value.isUnseen) break
    if (entry.value.counter !== token.rtc) return // the same request has rotated it
    if (performance.now() > until) refuse('a rotation was not confirmed within a second')
    await new Promise((resolve) => setImmediate(resolve))
  }
  hold(session, token.rtc)
  session.isUnseen = 'no'
}

/** One of its tokens has come back, and it is open whether that is known by now. */
export function mayBeSeen(session: Session): void {
  if (session.isUnseen === 'yes') session.isUnseen = 'maybe'
}

export const isAmbiguous = (session: Session, now: number) =>
  standing(session, now).has('alive') && standing(session, now).size > 1

/** How somebody has logged in. */
export type Opened = {
  readonly id: string
  readonly refresh: string
  readonly transport: Channel
  readonly remember: boolean
  readonly amr: string
}

/** Takes a session into the books, without an access token. */
export function newSession(user: User, { refresh, ...opened }: Opened, now: number): Session {
  const alive = user.sessions.filter((session) => standing(session, now).has('alive'))
  for (const oldest of alive.slice(0, Math.max(0, alive.length - SESSION_MAX + 1))) end(oldest, 'evicted', now)
  const session: Session = {
    ...opened,
    user,
    idle: opened.remember ? IDLE.long : IDLE.short,
    absoluteAt: now + (opened.remember ? ABSOLUTE.long : ABSOLUTE.short),
    tokens: [refresh],
    firstUsedAt: [],
    held: 0,
    maybeHeld: 0,
    usedAt: now,
    late: null,
    changedFrom: 0,
    ended: null,
    access: [],
    data: null,
    authAt: now,
    isUnseen: 'no',
    steppedUpBy: null,
  }
  user.sessions.push(session)
  return session
}

/** The same, with the tokens of an answer. */
export function openedBy(answer: Answer, user: User, how: Omit<Opened, 'id' | 'refresh'>, now: number): Session {
  const { session_id: id, refresh_token } = answer.body
  const refresh = how.transport === 'body' ? refresh_token : cookieIn(answer)
  expect('the user', answer.body.user.id, [user.id])
  const session = newSession(user, { ...how, id, refresh }, now)
  receive(session, answer, now)
  return session
}

/** What a session may answer: this if it is alive, else that it is over. */
export function inSession(session: Session, wanted: string, now: number): string[] {
  const said = standing(session, now)
  return [...(said.has('alive') ? [wanted] : []), ...(isSurely(said, 'alive') ? [] : ['401 token_revoked'])]
}

/** Whether the token is good for what matters: of a proof that is not old, and by a second factor if there is one. */
export function isFresh({ factors }: User, { acr, authTime }: Access, now: number): boolean {
  return now - authTime * S <= STEP_UP_AGE && (factors.enrolled === null || acr === 'aal2')
}

/** The same, but of whoever has no second factor the password is asked for, and nothing else. */
export const isFreshIfEnrolled = (user: User, token: Access, now: number) =>
  user.factors.enrolled === null || isFresh(user, token, now)

/** Whether the access token itself was refused; wrongly or not at all where it should have been, it ends the run. */
export function isDead(answer: Answer, token: Access, now: number): boolean {
  const said = standingOf(token, now)
  if (isSurely(said, 'alive')) return false
  if (said.has('alive') && answer.body?.code !== 'token_revoked') return false
  const wanted = [...said].filter((code) => code !== 'alive').map((code) => `401 ${code}`)
  expect('an access token', wordOf(answer), wanted)
  return true
}

/** All sessions of the user but one are ended. */
export function endOthers(user: User, kept: Session | null, reason: string, now: number): void {
  for (const other of user.sessions.filter((each) => each !== kept)) {
    const isCounted = other.ended !== null || isSurely(standing(other, now), 'alive')
    const before = other.access.map(({ isRevoked }) => isRevoked)
    end(other, reason, now)
    // Of a session that had timed out the access tokens live out their minutes, or are refused with the others.
    if (!isCounted)
      for (const [index, token] of other.access.entries()) if (before[index] !== 'yes') token.isRevoked = 'maybe'
  }
}

/** All access tokens of the user are dead, and whatever a password has begun. */
export function revokeAll(user: User, reason: string): void {
  for (const token of user.sessions.flatMap(({ access }) => access))
    Object.assign(token, { isRevoked: 'yes', isOutdated: false })
  killChallenges(user, reason)
}

export function killChallenges({ challenges }: User, reason: string): void {
  for (const challenge of challenges) challenge.killedBy ??= reason
}
