import { array, asyncProperty, check, constant, nat, oneof, record } from 'fast-check'
import type { Test } from 'tap'
import { openSession } from '../../src/auth/sessions/open.ts'
import { issueTokens } from '../../src/auth/tokens/issue.ts'
import { untilWon } from '../../src/auth/until-won.ts'
import { codeOf, type Purpose, PURPOSES, tokenOf } from '../../src/domain/one-time-secret.ts'
import { keys } from '../../src/store/keys.ts'
import { put, StoreUnavailable } from '../../src/store/store.ts'
import { ADMIN, ADMIN_KEY, mailTo } from '../support/env.ts'
import { openAdminApp } from '../support/admin.ts'
import { often } from '../support/amount.ts'
import { type Answer, callApp, type Home, openHome } from '../support/home.ts'
import { startSmtp } from '../support/smtp.ts'
import {
  answerChallenge,
  beginLogin,
  challengeOf,
  enrolAtOnce,
  expectFactors,
  factorSteps,
  goodProof,
  stepUpAtOnce,
} from './factors.ts'
import {
  type Access,
  addAccess,
  addReason,
  ANSWERS,
  CALLER,
  CHALLENGE_TTL,
  blank,
  type Channel,
  COOKIE,
  cookieIn,
  decode,
  end,
  endOthers,
  expect,
  GRACE,
  isAmbiguous,
  isDead,
  isFresh,
  isFreshIfEnrolled,
  isSurely,
  isTimeout,
  judgeRefresh,
  killChallenges,
  latest,
  type Letter,
  LETTER_TTL,
  type Mails,
  mayBeSeen,
  meet,
  newSession,
  noFactors,
  noMails,
  openedBy,
  type OperatedHome,
  outcomes,
  pick,
  presenting,
  receive,
  refuse,
  revokeAll,
  ROLES,
  rotate,
  type Rule,
  ruleOfRefresh,
  S,
  SAME_ORIGIN,
  type Session,
  sessionsOf,
  SETTINGS,
  OLDEST,
  someAccess,
  someCounter,
  someSession,
  SPENT,
  standing,
  STEP_UP_AGE,
  type User,
  wordOf,
  type World,
} from './oracle.ts'

// Random histories of two users, played on the real app and on an oracle that knows the contract and not the code. Logins
// open sessions through the use case, as argon2 would take all the time; now and then one goes by password.

const RUNS = Number(process.env['RUNS'] ?? often(500))
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const STEPS = 40
const SHRINKING_MS = 20_000

// ---- The system, step by step ----

type Step = { readonly kind: keyof typeof steps; readonly a: number; readonly b: number; readonly c: number }

const steps = {
  ...factorSteps,

  async nothing() {},

  async login(world: World, { a, b }: Step) {
    const { deps, clock } = world.home
    const user = pick(world.users, a % 3 === 0 ? 1 : 0) as User
    if (!user.isThere || user.isDisabled) return
    if (user.sessions.some((session) => isAmbiguous(session, clock.now))) return
    const wish = { transport: b % 3 === 0 ? 'cookie' : 'body', remember: b % 2 === 0 } as const
    const amr = user.factors.enrolled === null ? (['pwd'] as const) : (['pwd', 'otp', 'mfa'] as const)
    const opened = await untilWon(async () => {
      const entry = await deps.store.get(keys.user(user.id))
      if (entry === null) throw new Error('nobody can log in')
      return openSession(deps, entry, { amr, event: 'login.succeeded' }, wish, CALLER)
    })
    const { accessToken, refreshToken, sessionId } = issueTokens(deps, opened)
    const how = { ...wish, amr: amr.join(' '), id: sessionId, refresh: refreshToken }
    addAccess(newSession(user, how, clock.now), accessToken)
  },

  async loginByPassword(world: World, { a, b, c }: Step) {
    const { call, clock } = world.home
    const user = pick(world.users, a) as User
    if (user.sessions.some((session) => isAmbiguous(session, clock.now))) return
    const wish = { transport: 'body', remember: b % 2 === 0 } as const
    const isRight = c % 4 !== 0
    const body = { email: user.email, password: isRight ? user.password : `${user.password}?`, ...wish }
    const answer = await call('POST', '/v1/login', { body })
    const right = user.factors.enrolled === null ? '200' : '401 second_factor_required'
    const wanted = user.isDisabled ? '403 account_disabled' : right
    expect('login', wordOf(answer), [isRight && user.isThere ? wanted : '401 bad_credentials'])
    if (answer.status === 200) openedBy(answer, user, { ...wish, amr: 'pwd' }, clock.now)
    if (answer.body.code !== 'second_factor_required') return
    expectFactors(user, answer.body.factors)
    challengeOf(user, answer.body.challenge, wish, clock.now)
  },

  async register(world: World, { a }: Step) {
    const user = pick(world.users, a) as User
    const before = user.id
    const answer = await world.home.call('POST', '/v1/register', {
      body: { email: user.email.toUpperCase(), password: user.password },
    })
    expect('register', wordOf(answer), [user.isThere ? '409 email_taken' : '201'])
    if (answer.status !== 201) return
    user.id = answer.body.user.id
    if (user.id === before) refuse('a user id was used again')
    Object.assign(user, blank())
    openedBy(answer, user, { transport: 'body', remember: false, amr: 'pwd' }, world.home.clock.now)
  },

  async refresh(world: World, { a, b, c }: Step) {
    const { call, clock } = world.home
    const session = someSession(world, a)
    if (!session) return
    const counter = someCounter(session, b)
    const token = session.tokens[counter] as string
    if (c % 20 === 0) {
      const channel = session.transport === 'body' ? 'cookie' : 'body'
      const answer = await call('POST', '/v1/refresh', presenting(token, channel))
      return expect('a refresh by the wrong way', wordOf(answer), ['401 token_invalid'])
    }
    judgeRefresh(session, counter, await call('POST', '/v1/refresh', presenting(token, session.transport)), clock.now)
  },

  async refreshInManyTabs(world: World, { a, b }: Step) {
    const { call, clock } = world.home
    const session = someSession(world, a)
    if (!session) return
    const counter = someCounter(session, b)
    const send = () => call('POST', '/v1/refresh', presenting(session.tokens[counter] as string, session.transport))
    const answers = await Promise.all([1, 2, 3, 4, 5].map(send))
    const tokens = new Set(
      answers.map((answer) => (session.transport === 'body' ? answer.body.refresh_token : cookieIn(answer))),
    )
    expect('different successors', tokens.size, [1])
    for (const answer of answers) judgeRefresh(session, counter, answer, clock.now)
  },

  /** The owner and a thief show the same token at every rotation, one of them late. */
  async refreshByTwoHolders(world: World, { a, b, c }: Step) {
    const { call, clock } = world.home
    const session = someSession(world, a)
    if (!session) return
    for (let round = 0; round <= b % 5; round += 1) {
      const counter = latest(session)
      for (const wait of [GRACE + (c % 3) * S, 1 + (b % S)]) {
        const answer = await call(
          'POST',
          '/v1/refresh',
          presenting(session.tokens[counter] as string, session.transport),
        )
        judgeRefresh(session, counter, answer, clock.now)
        clock.advance(wait)
      }
    }
  },

  /** And now and then long enough ago for the key to have left the ring. */
  async rotateKeys({ home }: World, { a }: Step) {
    await home.deps.keyring.rotate()
    home.clock.advance(a % 2 === 0 ? S : 111 * S)
    await home.deps.keyring.reload()
  },

  async tamper(world: World, { a, b }: Step) {
    const session = someSession(world, a)
    if (!session) return
    const bytes = Buffer.from(session.tokens.at(-1) as string, 'base64url')
    const place = b % bytes.length
    bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place)
    const forged = bytes.toString('base64url')
    const answer = await world.home.call('POST', '/v1/refresh', presenting(forged, session.transport))
    expect('a forged refresh token', wordOf(answer), ['401 token_invalid'])
    expect(
      'a logout with it',
      wordOf(await world.home.call('POST', '/v1/logout', presenting(forged, session.transport))),
      ['401 token_invalid'],
    )
  },

  async verify(world: World, { a, b }: Step) {
    const { call, clock } = world.home
    const { session, token } = someAccess(world, a, b) ?? {}
    if (!session || !token) return
    const answer = await call('GET', '/v1/verify', { token: token.text })
    await meet(world, session, token)
    if (isDead(answer, token, clock.now)) return
    expect('verify', wordOf(answer), ['204'])
    expect('the subject', answer.headers['x-auth-subject'], [session.user.id])
    expect('the session', answer.headers['x-auth-session'], [session.id])
    expect('the level', answer.headers['x-auth-acr'], [token.acr])
    if (token.isRevoked === 'maybe') token.isRevoked = 'no'
    // The token is alive, so what it says of the user is so.
    const demanded = await call('GET', `/v1/verify?role=${ROLES[b % 3]}`, { token: token.text })
    const isThere = session.user.roles.includes(ROLES[b % 3] as string)
    expect('verify with a role', wordOf(demanded), [isThere ? '204' : '403 insufficient'])
  },

  /** Now and then those that it has. */
  async setRoles(world: World, { a, b, c }: Step) {
    const user = pick(world.users, a) as User
    const roles = c % 4 === 0 ? user.roles : ROLES.slice(b % 3, c % 4)
    const answer = await world.home.admin('PUT', `/admin/v1/users/${user.id}/roles`, { roles })
    expect('roles', wordOf(answer), [user.isThere ? '204' : '404 not_found'])
    if (answer.status !== 204) return
    user.roles = roles
    const outdated = user.sessions.flatMap(({ access }) => access).filter(({ isRevoked }) => isRevoked !== 'yes')
    for (const token of outdated) Object.assign(token, { isRevoked: 'yes', isOutdated: true })
    killChallenges(user, 'roles')
  },

  /** Now and then somebody is at the door then. */
  async disable(world: World, step: Step) {
    const { a, b } = step
    const { admin, clock } = world.home
    const user = pick(world.users, a) as User
    const answer = await admin('PUT', `/admin/v1/users/${user.id}/disabled`)
    expect('disabling', wordOf(answer), [user.isThere ? '204' : '404 not_found'])
    if (answer.status !== 204) return
    user.isDisabled = true
    user.mails = noMails()
    for (const session of user.sessions) end(session, 'disabled', clock.now)
    revokeAll(user, 'disabled')
    if (b % 2 === 0) await steps.loginByPassword(world, step)
  },

  async enable(world: World, { a, b }: Step) {
    const user = pick(world.users, a) as User
    if (!user.isDisabled && b % 4 !== 0) return // it is the same then
    const answer = await world.home.admin('DELETE', `/admin/v1/users/${user.id}/disabled`)
    expect('enabling', wordOf(answer), [user.isThere ? '204' : '404 not_found'])
    user.isDisabled &&= answer.status !== 204
  },

  async removeByOperator(world: World, { a }: Step) {
    const { admin, clock } = world.home
    const user = pick(world.users, a) as User
    const answer = await admin('DELETE', `/admin/v1/users/${user.id}`)
    expect('removal by the operator', wordOf(answer), [user.isThere ? '204' : '404 not_found'])
    if (answer.status === 204) leaveForGood(user, clock.now)
  },

  async logoutByRefresh(world: World, { a, b }: Step) {
    const { call, clock } = world.home
    const session = someSession(world, a)
    if (!session) return
    const token = session.tokens[someCounter(session, b)] as string
    const answer = await call('POST', '/v1/logout', presenting(token, session.transport))
    expect('logout', wordOf(answer), ['204'])
    if (session.transport === 'cookie') expect('the cookie', cookieIn(answer), [''])
    end(session, 'logged_out', clock.now)
  },

  async logoutByAccess(world: World, { a, b }: Step) {
    const { call, clock } = world.home
    const { session, token } = someAccess(world, a, b) ?? {}
    // What a token does that is both revoked and expired, the contract leaves open.
    if (!session || !token || (token.isRevoked !== 'no' && clock.now >= token.expiresAt)) return
    const answer = await call('POST', '/v1/logout', { token: token.text })
    await meet(world, session, token)
    expect('logout', wordOf(answer), ['204'])
    if (token.isRevoked === 'maybe') addReason(session, 'logged_out', clock.now)
    else if (token.isRevoked === 'no' || token.isOutdated) end(session, 'logged_out', clock.now)
  },

  /** Shows up to three things: a token in the body, an access token, a cookie; each of some session, or garbage, or none. */
  async logoutBySeveral(world: World, { a, b, c }: Step) {
    const { call, clock } = world.home
    const shownBy = (transport: Channel, index: number) => {
      const session = pick(
        sessionsOf(world).filter((each) => each.transport === transport),
        index,
      )
      return session && { session, text: session.tokens[someCounter(session, b)] as string }
    }
    const garbage = { session: null, text: 'garbage' }
    const [inBody, inCookie] = (['body', 'cookie'] as const).map(
      (transport, place) =>
        [shownBy(transport, a + place), shownBy(transport, c), garbage, undefined][(b >> (2 * place)) % 4],
    )
    const access = c % 4 === 0 ? undefined : c % 4 === 1 ? 'garbage' : someAccess(world, c, a)
    const token = typeof access === 'object' ? access?.token : undefined
    if (token !== undefined && token.isRevoked !== 'no' && clock.now >= token.expiresAt) return
    if (token?.isRevoked === 'maybe' || access === null) return
    const answer = await call('POST', '/v1/logout', {
      ...(access === undefined ? {} : { token: token?.text ?? 'garbage' }),
      ...(inBody === undefined ? {} : { body: { refresh_token: inBody.text } }),
      headers: { ...SAME_ORIGIN, ...(inCookie === undefined ? {} : { cookie: `${COOKIE}=${inCookie.text}` }) },
    })
    if (token !== undefined) await meet(world, (access as { session: Session }).session, token)
    const first = [inBody?.session, token && (access as { session: Session }).session].filter((each) => each)
    const ours = (first.length > 0 ? first : [inCookie?.session].filter((each) => each)) as Session[]
    const isAnythingShown = inBody !== undefined || access !== undefined || inCookie !== undefined
    const refusal = isAnythingShown ? '401 token_invalid' : '401 no_token'
    expect('logout by several', wordOf(answer), [ours.length > 0 ? '204' : refusal])
    for (const session of ours) {
      const isDeadToken = token?.isRevoked === 'yes' && !token.isOutdated && session !== inBody?.session
      if (isDeadToken) continue
      const wasAlive = standing(session, clock.now).has('alive')
      end(session, 'logged_out', clock.now)
      if (wasAlive) break
    }
    const isCookieAlive = inCookie?.session && standing(inCookie.session, clock.now).has('alive')
    if (inCookie !== undefined) expect('the cookie', cookieIn(answer), [isCookieAlive ? undefined : ''])
  },

  async logoutMany(world: World, { a, b, c }: Step) {
    const { call, clock } = world.home
    const scope = c % 2 === 0 ? 'others' : 'all'
    const session = someSession(world, a)
    if (!session) return
    const { user } = session
    if (c % 4 < 2) {
      const counter = someCounter(session, b)
      const said = standing(session, clock.now)
      const rules = said.has('alive') ? ruleOfRefresh(session, counter, clock.now) : new Set<Rule>()
      const wanted = [
        ...[...said].filter((reason) => reason !== 'alive').map((reason) => `401 session_over ${reason}`),
        ...[...rules].map((rule) => ANSWERS[rule].replace('200', '204')),
      ]
      const answer = await call(
        'POST',
        '/v1/logout',
        presenting(session.tokens[counter] as string, session.transport, { scope }),
      )
      expect(`logout of ${scope}`, wordOf(answer), wanted)
      if (answer.status !== 204) return
      mayBeSeen(session)
    } else {
      const token = pick(session.access, b) as Access
      const answer = await call('POST', '/v1/logout', { token: token.text, body: { scope } })
      await meet(world, session, token)
      if (isDead(answer, token, clock.now)) return
      expect(`logout of ${scope}`, wordOf(answer), ['204'])
    }
    endOthers(user, scope === 'all' ? null : session, 'logged_out', clock.now)
    if (scope === 'all') revokeAll(user, 'logged_out')
  },

  async endSession(world: World, { a, b, c }: Step) {
    const { call, clock } = world.home
    const { session, token } = someAccess(world, a, b) ?? {}
    const target = pick(sessionsOf(world), c)
    if (!session || !token || !target) return
    const answer = await call('DELETE', `/v1/sessions/${target.id}`, { token: token.text })
    await meet(world, session, token)
    if (isDead(answer, token, clock.now)) return
    const said = standing(target, clock.now)
    const isMine = target.user === session.user
    const wanted = [
      ...(isMine && said.has('alive') ? ['204'] : []),
      ...(isMine && isSurely(said, 'alive') ? [] : ['404 not_found']),
    ]
    expect('ending a session', wordOf(answer), wanted)
    if (answer.status === 204) return end(target, 'revoked', clock.now)
    // What had timed out stays as it was.
  },

  async list(world: World, { a, b }: Step) {
    const { call, clock } = world.home
    const { session, token } = someAccess(world, a, b) ?? {}
    if (!session || !token) return
    const answer = await call('GET', '/v1/sessions', { token: token.text })
    await meet(world, session, token)
    if (isDead(answer, token, clock.now)) return
    expect('the list', wordOf(answer), ['200'])
    const listed: { id: string; current: boolean; expires_at: string }[] = answer.body.sessions
    const possible = session.user.sessions.filter((one) => standing(one, clock.now).has('alive'))
    const sure = possible.filter((one) => !isAmbiguous(one, clock.now))
    const inOrder = possible.filter(({ id }) => listed.some((item) => item.id === id)).map(({ id }) => id)
    expect('the listed sessions', listed.map(({ id }) => id).join(), [inOrder.join()])
    for (const { id } of sure) if (!listed.some((item) => item.id === id)) refuse('a live session is not listed')
    for (const item of listed) {
      const one = possible.find(({ id }) => id === item.id) as Session
      expect('expires_at', Date.parse(item.expires_at), [Math.min(one.usedAt + one.idle, one.absoluteAt)])
      expect('current', item.current, [one === session])
    }
  },

  async changePassword(world: World, { a, b, c }: Step) {
    const { call, clock } = world.home
    const { session, token } = someAccess(world, a, b) ?? {}
    if (!session || !token) return
    const { user } = session
    const isRight = c % 4 !== 0
    const next = `seven red bicycles, ${world.trace.length} times`
    const body = { current_password: isRight ? user.password : `${user.password}?`, new_password: next }
    const answer = await call('POST', '/v1/password', { token: token.text, body })
    await meet(world, session, token)
    if (isDead(answer, token, clock.now)) return
    const said = standing(session, clock.now)
    const isOpen = isFreshIfEnrolled(user, token, clock.now)
    const wrong = isOpen ? '403 wrong_password' : '403 step_up_required'
    const wanted = [
      ...(said.has('alive') ? [isOpen && isRight ? '200' : wrong] : []),
      ...(isSurely(said, 'alive') ? [] : ['401 token_revoked', wrong]),
    ]
    expect('changing the password', wordOf(answer), wanted)
    if (answer.status !== 200) return
    user.password = next
    user.mails = noMails()
    for (const other of user.sessions) if (other !== session) end(other, 'password_changed', clock.now)
    revokeAll(user, 'password_changed')
    session.usedAt = clock.now
    session.changedFrom = latest(session) + 1
    rotate(session, session.transport === 'body' ? answer.body.refresh_token : (cookieIn(answer) as string), clock.now)
    receive(session, answer, clock.now)
    // Now and then the next token is used at once, and a tab that has the one of before comes after it.
    if (c % 3 !== 1) return
    for (const counter of [latest(session), session.changedFrom - 1]) {
      const again = await call('POST', '/v1/refresh', presenting(session.tokens[counter] as string, session.transport))
      judgeRefresh(session, counter, again, clock.now)
    }
  },

  async removeAccount(world: World, { a, b, c }: Step) {
    const { call, clock } = world.home
    const { session, token } = someAccess(world, a, b) ?? {}
    if (!session || !token) return
    const { user } = session
    const isRight = c % 4 !== 0
    const answer = await call('DELETE', '/v1/me', {
      token: token.text,
      body: { password: isRight ? user.password : 'no' },
    })
    await meet(world, session, token)
    if (isDead(answer, token, clock.now)) return
    const right = isRight ? '204' : '403 wrong_password'
    const isOpen = isFreshIfEnrolled(user, token, clock.now)
    expect('removing the account', wordOf(answer), [isOpen ? right : '403 step_up_required'])
    if (answer.status === 204) leaveForGood(user, clock.now)
  },

  async forget(world: World, { a, b }: Step) {
    const user = pick(world.users, a) as User
    const email = b % 2 === 0 ? user.email : user.email.toUpperCase()
    expect('forgetting', wordOf(await world.home.call('POST', '/v1/password/forgot', { body: { email } })), ['202'])
    if (user.isThere && !user.isDisabled) await write(world, user, 'reset', user.email)
  },

  async reset(world: World, { a, b, c }: Step) {
    const { call, clock } = world.home
    const user = pick(world.users, a) as User
    const letter = somethingOf(user, 'reset', b)
    if (letter === null) return
    const isRepeat = c % 2 === 0
    const next = isRepeat
      ? (user.mails.reset.spent?.password ?? user.password)
      : `nine blue, ${world.trace.length} times`
    const { token, code } = letter
    const proof = c % 3 === 0 ? { email: user.email, code } : { token }
    const answer = await call('POST', '/v1/password/reset', { body: { ...proof, new_password: next } })
    const showing = judgeLetter(user.mails.reset, letter, clock.now)
    const isDone = showing === 'right' || (showing === 'repeat' && user.password === next)
    expect(`reset, ${showing}`, wordOf(answer), [isDone ? '204' : '400 code_invalid'])
    if (showing !== 'right') return
    user.password = next
    if (!user.isVerified) user.factors = noFactors() // a squatter may have planted them
    user.isVerified = true
    useUp(user, 'reset', clock.now)
    user.mails = { ...noMails(), reset: user.mails.reset }
    for (const session of user.sessions) end(session, 'password_reset', clock.now)
    revokeAll(user, 'password_reset')
    for (const [password, wanted] of [[next, '204'] as const, [`${next}?`, '400 code_invalid'] as const]) {
      const again = await call('POST', '/v1/password/reset', { body: { ...proof, new_password: password } })
      expect('reset, repeat', wordOf(again), [wanted])
    }
  },

  async askToVerify(world: World, { a, b }: Step) {
    const { call, clock } = world.home
    const { session, token } = someAccess(world, a, b) ?? {}
    if (!session || !token) return
    const { user } = session
    const answer = await call('POST', '/v1/email/verification', { token: token.text })
    await meet(world, session, token)
    if (isDead(answer, token, clock.now)) return
    expect('asking to verify', wordOf(answer), [user.isVerified ? '204' : '202'])
    if (user.isVerified) return
    await write(world, user, 'verify', user.email)
    await showNow(world, { session, token }, 'verify', b)
  },

  async verifyEmail(world: World, step: Step) {
    await confirm(world, step, 'verify')
  },

  /** To another address, or back. */
  async askToChange(world: World, { a, b }: Step) {
    const { call, clock } = world.home
    const { session, token } = someAccess(world, a, b) ?? {}
    if (!session || !token) return
    const { user } = session
    const next = user.email.startsWith('new-') ? user.email.slice(4) : `new-${user.email}`
    const answer = await call('POST', '/v1/email/change', { token: token.text, body: { new_email: next } })
    await meet(world, session, token)
    if (isDead(answer, token, clock.now)) return
    const isOpen = isFresh(user, token, clock.now)
    expect('asking to change', wordOf(answer), [isOpen ? '202' : '403 step_up_required'])
    if (!isOpen) return
    await write(world, user, 'change', next)
    await showNow(world, { session, token }, 'change', b)
  },

  async changeEmail(world: World, step: Step) {
    await confirm(world, step, 'change')
  },

  /** What ends a challenge happens between the steps of a login. */
  async lateSecondStep(world: World, { a, b, c }: Step) {
    const session = someSession(world, a)
    if (!session) return
    const { user } = session
    await enrolAtOnce(world, user)
    const at = { kind: 'nothing', a: world.users.indexOf(user), b, c } as const
    if (b % 4 === 0) await steps.loginByPassword(world, { ...at, c: 1 })
    const challenge = b % 4 === 0 ? user.challenges.at(-1) : await beginLogin(world, user, b)
    if (!challenge) return
    const deaths = [
      async () => {
        await stepUpAtOnce(world, session)
        await steps.changePassword(world, { ...at, a, b: 1, c: 1 })
      },
      () => steps.logoutMany(world, { ...at, a, c: 1 }),
      () => steps.setRoles(world, at),
      () => steps.disable(world, at),
      () => steps.removeByOperator(world, at),
      () => steps.reset(world, { ...at, b: 0 }),
      async () => world.home.clock.advance(CHALLENGE_TTL + (b % 2) - 1),
    ]
    if (c % deaths.length === 5) await steps.forget(world, at)
    await pick(deaths, c)?.()
    await answerChallenge(world, challenge, goodProof(world, user))
  },

  /** What matters is asked for by the oldest token of a session whose user has a second factor. */
  async askByOldToken(world: World, step: Step) {
    const session = someSession(world, step.a)
    if (!session) return
    await enrolAtOnce(world, session.user)
    const asks = ['changePassword', 'removeAccount', 'askToChange', 'beginApp', 'removeApp'] as const
    const ask = pick(asks, step.c) as (typeof asks)[number]
    await steps[ask](world, { ...step, b: OLDEST })
  },

  async saveData(world: World, { a, b, c }: Step) {
    const { call, clock } = world.home
    const { session, token } = someAccess(world, a, b) ?? {}
    if (!session || !token) return
    const answer = await call('PATCH', '/v1/session/data', { token: token.text, body: { cart: c } })
    await meet(world, session, token)
    if (isDead(answer, token, clock.now)) return
    const said = standing(session, clock.now)
    expect('saving', wordOf(answer), [
      ...(said.has('alive') ? ['200'] : []),
      ...(isSurely(said, 'alive') ? [] : ['401 token_revoked']),
    ])
    if (answer.status === 200) session.data = c
  },

  async readData(world: World, { a, b }: Step) {
    const { call, clock } = world.home
    const { session, token } = someAccess(world, a, b) ?? {}
    if (!session || !token) return
    const answer = await call('GET', '/v1/session/data', { token: token.text })
    await meet(world, session, token)
    if (isDead(answer, token, clock.now)) return
    expect('reading', wordOf(answer), ['200'])
    if (isSurely(standing(session, clock.now), 'alive'))
      expect('the data', answer.body.cart, [session.data ?? undefined])
  },

  /** To just before, to or just after a moment that matters to some session, or a little further. */
  async wait(world: World, { a, b, c }: Step) {
    const { clock } = world.home
    const session = someSession(world, a)
    const moments = session
      ? [
          session.usedAt + session.idle,
          session.absoluteAt,
          ...session.firstUsedAt.slice(-2).map((at) => at + GRACE),
          ...session.access.slice(-2).map(({ expiresAt }) => expiresAt),
          Math.floor(session.authAt / S) * S + STEP_UP_AGE,
          ...session.user.challenges.slice(-1).map(({ madeAt }) => madeAt + CHALLENGE_TTL),
        ]
      : []
    const ahead = moments.map((at) => at + ((c % 3) - 1) - clock.now).filter((ms) => ms > 0)
    const near = ahead.toSorted((one, other) => one - other).slice(0, 4)
    const step = [1, 500, 1 * S, 3 * S, 9 * S][b % 5] as number
    clock.advance(b % 2 === 0 ? step : (pick(near, b >> 1) ?? step))
  },
}

/** Somebody who is logged in shows something of a mail. */
async function confirm(world: World, { a, b, c }: Step, purpose: 'verify' | 'change'): Promise<void> {
  const { session, token } = someAccess(world, a, b) ?? {}
  const letter = session && somethingOf(session.user, purpose, c)
  if (!session || !token || !letter) return
  const body = c % 2 === 0 ? { token: letter.token } : { code: letter.code }
  await show(world, { session, token }, { purpose, letter, body })
}

/** What has just been mailed is shown at once, in most histories, and again. */
async function showNow(
  world: World,
  shower: { session: Session; token: Access },
  purpose: 'verify' | 'change',
  index: number,
): Promise<void> {
  const letter = shower.session.user.mails[purpose].current as Letter
  const wrong = letter.code === '00000000' ? '00000001' : '00000000'
  await show(world, shower, { purpose, letter: { ...letter, code: wrong }, body: { code: wrong } })
  for (let times = 0; times < index % 3; times += 1)
    await show(world, shower, { purpose, letter, body: { token: letter.token } })
}

/** What comes of it the first time. */
const CHANGES: Record<'verify' | 'change', (session: Session, letter: Letter, now: number) => void> = {
  verify({ user }) {
    user.isVerified = true
  },
  change(session, { email }, now) {
    const { user } = session
    user.email = email
    user.isVerified = true
    user.mails = { ...noMails(), change: user.mails.change }
    endOthers(user, session, 'email_changed', now)
  },
}

interface Shown {
  readonly purpose: 'verify' | 'change'
  readonly letter: Letter
  readonly body: object
}

async function show(
  world: World,
  { session, token }: { session: Session; token: Access },
  { purpose, letter, body }: Shown,
): Promise<void> {
  const { call, clock } = world.home
  const { user } = session
  const path = purpose === 'verify' ? '/v1/email/verify' : '/v1/email/change/confirm'
  const answer = await call('POST', path, { token: token.text, body })
  await meet(world, session, token)
  if (isDead(answer, token, clock.now)) return
  const said = standing(session, clock.now)
  const showing = judgeLetter(user.mails[purpose], letter, clock.now)
  const wanted = showing === 'invalid' ? '400 code_invalid' : '200'
  expect(`${purpose}, ${showing}`, wordOf(answer), [
    ...(said.has('alive') ? [wanted] : []),
    ...(isSurely(said, 'alive') ? [] : ['401 token_revoked', '400 code_invalid']),
  ])
  if (answer.status !== 200) return
  if (showing === 'right') {
    useUp(user, purpose, clock.now)
    CHANGES[purpose](session, letter, clock.now)
  }
  expect('the current token', receive(session, answer, clock.now), [session.tokens.at(-1)])
  expect('email_verified', decode(answer.body.access_token).email_verified, [true])
}

/** A mail was asked for: it holds the secret of the one before, unless that was used, has become old, or went elsewhere. */
async function write({ home }: World, user: User, purpose: Purpose, email: string): Promise<void> {
  const { clock, deps } = home
  const found = await deps.store.get(keys.secrets(user.id, purpose))
  const derived = { userId: user.id, purpose, nonce: found?.value.current?.nonce ?? '' }
  const letter = { token: tokenOf(deps.authKeys, derived), code: codeOf(deps.authKeys, derived), email }
  const mails = user.mails[purpose]
  const goesOn = mails.current?.email === email && clock.now - mails.current.madeAt < LETTER_TTL
  expect('the secret of a second mail is the same', letter.token === mails.current?.token, [goesOn])
  mails.current = { ...letter, madeAt: goesOn ? (mails.current as Letter).madeAt : clock.now, askedAt: clock.now }
}

/** Something to show of the mails of a purpose: of the last one, of the one that was used, or of another purpose. */
function somethingOf(user: User, purpose: Purpose, index: number): Letter | null {
  const { current, spent } = user.mails[purpose]
  const foreign = user.mails[purpose === 'reset' ? 'verify' : 'reset'].current
  return pick([current, current, current, spent?.letter ?? null, foreign], index) ?? null
}

type Showing = 'right' | 'repeat' | 'invalid'

function judgeLetter({ current, spent }: Mails, letter: Letter, now: number): Showing {
  if (letter === current && now - letter.askedAt < LETTER_TTL) return 'right'
  return letter === spent?.letter && now - spent.at < SPENT ? 'repeat' : 'invalid'
}

function useUp(user: User, purpose: Purpose, now: number): void {
  const { current } = user.mails[purpose]
  user.mails[purpose] = { current: null, spent: current && { letter: current, at: now, password: user.password } }
}

/** The account is removed. */
function leaveForGood(user: User, now: number): void {
  user.isThere = false
  user.mails = noMails()
  user.factors = noFactors()
  for (const each of user.sessions) end(each, 'account_deleted', now)
  revokeAll(user, 'account_deleted')
}

// ---- Running it ----

const WEIGHTS: Record<keyof typeof steps, number> = {
  nothing: 1,
  login: 120,
  loginByPassword: 4,
  register: 8,
  refresh: 190,
  refreshInManyTabs: 30,
  refreshByTwoHolders: 20,
  rotateKeys: 8,
  tamper: 10,
  verify: 120,
  logoutByRefresh: 20,
  logoutByAccess: 20,
  logoutBySeveral: 30,
  logoutMany: 20,
  endSession: 40,
  list: 30,
  changePassword: 10,
  removeAccount: 3,
  setRoles: 24,
  disable: 4,
  enable: 24,
  removeByOperator: 2,
  forget: 20,
  reset: 24,
  askToVerify: 24,
  verifyEmail: 14,
  askToChange: 14,
  changeEmail: 18,
  saveData: 20,
  readData: 20,
  beginApp: 36,
  confirmApp: 12,
  removeApp: 20,
  listFactors: 8,
  secondStep: 28,
  lateSecondStep: 24,
  stepUp: 30,
  askByOldToken: 20,
  wait: 170,
}

const number = nat({ max: 9999 })
const someStep = oneof(
  { withCrossShrink: true },
  ...Object.entries(WEIGHTS).map(([kind, weight]) => ({
    weight,
    arbitrary: record({ kind: constant(kind as Step['kind']), a: number, b: number, c: number }),
  })),
)
const history = array(someStep, { minLength: STEPS, maxLength: STEPS })

/** The service could not know: on a busy machine a command to Redis times out. What has happened is open, so is the rest. */
class Unknown extends Error {}

function isUndecided(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const isOpen = error instanceof Unknown || error instanceof StoreUnavailable || error.message === 'register: 503'
  return isOpen || isUndecided(error.cause)
}

/** The same home, with the operator's listener, where an answer that leaves open what has happened ends the history. */
async function operated(home: Home): Promise<OperatedHome> {
  const adminApp = await openAdminApp(home)
  return {
    ...home,
    call: async <Body>(...request: Parameters<Home['call']>) => decided(await home.call<Body>(...request)),
    admin: async (method, path, body) => decided(await callApp(adminApp, method, path, { token: ADMIN_KEY, body })),
    async close() {
      await adminApp.close()
      await home.close()
    },
  }
}

function decided<Body>(answer: Answer<Body>): Answer<Body> {
  if (answer.status === 503) throw new Unknown('503')
  return answer
}

async function makeUsers(home: Home): Promise<User[]> {
  const newcomers = [await home.newcomer(), await home.newcomer()]
  return newcomers.map(({ email, password, user }) =>
    Object.assign(blank(), { id: user.id, email, password, challenges: [] }),
  )
}

/** Forgets what an earlier run has left, so that each begins with two users who are logged in nowhere. */
async function begin(home: OperatedHome, users: readonly User[]): Promise<World> {
  const world: World = { home, users, trace: [] }
  await Promise.all(
    users.map(async (user, index) => {
      if (!user.isThere) await steps.register(world, { kind: 'register', a: index, b: 0, c: 0 })
      await forgetAll(home, user)
    }),
  )
  return world
}

/** The user has no session, no mail was ever sent, nothing is enrolled, and the operator has said nothing. */
async function forgetAll({ deps }: Home, user: User): Promise<void> {
  const entry = await deps.store.get(keys.user(user.id))
  if (entry === null) throw new Error('nobody is there')
  const { disabled: _, factors: __, ...open } = entry.value
  const written = put(entry.key, { ...open, sessions: [], emailVerified: false, roles: [] }, null)
  const secrets = PURPOSES.map((purpose) => keys.secrets(user.id, purpose))
  const deletes = [...secrets, keys.pendingTotp(user.id), keys.answered(user.id, 'totp')]
  await deps.store.commit({ checks: [entry], puts: [written], deletes })
  Object.assign(user, { ...blank(), challenges: [] })
}

async function play(world: World, history: readonly Step[]): Promise<void> {
  for (const step of history) {
    world.trace.push(`${step.kind}(${step.a}, ${step.b}, ${step.c}) at ${world.home.clock.now}`)
    await steps[step.kind](world, step).catch((error: Error) => {
      const told = world.trace.filter((line) => !line.startsWith('nothing'))
      throw new Error(`${error.message}\n${told.slice(-30).join('\n')}`, { cause: error })
    })
  }
}

type Told = { readonly event: string; readonly session_id?: string; readonly reason?: string }

/** The trail of each account tells every session of this history once, and once why it was ended, if somebody ended it. */
async function checkTrails({ home, users }: World): Promise<void> {
  for (const user of users.filter(({ isThere }) => isThere)) {
    const { body } = await home.admin('GET', `/admin/v1/users/${user.id}/events?limit=100`)
    for (const { id, ended } of user.sessions) {
      const told = (body.events as Told[]).filter(({ session_id }) => session_id === id)
      const begins = told.filter(({ event }) => event === 'login.succeeded' || event === 'account.registered')
      expect('beginnings in the trail', begins.length, [1])
      const reasons = told.filter(({ event }) => event === 'session.ended').map(({ reason }) => reason)
      const maySay = ended === null || ended.some(isTimeout) ? ['', ...(ended ?? [])] : ended
      expect('ends in the trail', reasons.join(), maySay)
    }
  }
}

/** Plays histories on a home with this environment: each is one that the contract allows, and 500 together meet every rule. */
export async function playOn(t: Test, env: Record<string, string>): Promise<void> {
  t.comment(`SEED=${SEED}, ${RUNS} histories of ${STEPS} steps`)
  const smtp = await startSmtp()
  const home = await operated(await openHome({ ...SETTINGS, ...ADMIN, ...mailTo(smtp.url), ...env }))
  t.teardown(async () => {
    await home.close()
    await smtp.stop()
  })
  let users: User[] | null = null
  let giveUpAt = Infinity
  let undecided = 0
  const property = asyncProperty(history, async (steps) => {
    if (performance.now() > giveUpAt) return // a shorter history is looked for, but not for ever
    try {
      users ??= await makeUsers(home)
      const world = await begin(home, users)
      await play(world, steps)
      await checkTrails(world)
    } catch (error) {
      users = null // the books are wrong from here on
      if (isUndecided(error)) undecided += 1
      else {
        giveUpAt = Math.min(giveUpAt, performance.now() + SHRINKING_MS)
        throw error
      }
    }
  })
  const { failed, counterexample, errorInstance, seed, counterexamplePath } = await check(property, {
    numRuns: RUNS,
    seed: SEED,
  })
  t.ok(undecided <= (env['REDIS_URL'] === undefined ? 0 : RUNS / 20), `${undecided} histories were cut short by 503`)
  if (!failed) return isWide(t)
  const cause = errorInstance instanceof Error ? errorInstance.message : String(errorInstance)
  t.fail(`seed ${seed}, path ${counterexamplePath}: ${cause}`, {
    steps: counterexample?.[0]
      .filter(({ kind }) => kind !== 'nothing')
      .map(({ kind, a, b, c }) => `${kind}(${a}, ${b}, ${c})`),
  })
}

/** What wants a fresh proof, by a second factor if there is one. */
const FRESH_RULES = [
  'beginning an app',
  'confirming an app',
  'removing the app',
  'step-up by password',
  'changing the password',
  'removing the account',
  'asking to change',
]

/** Whether the histories have met the rules, every one of them. */
function isWide(t: Test): void {
  t.comment(
    [...outcomes]
      .map(([outcome, count]) => `${outcome} (${count})`)
      .toSorted()
      .join(', '),
  )
  const reasons = [
    'logged_out',
    'revoked',
    'idle_timeout',
    'absolute_timeout',
    'password_changed',
    'token_reused',
    'account_deleted',
    'evicted',
    'password_reset',
    'disabled',
    'factor_changed',
  ]
  const deaths = ['password_changed', 'password_reset', 'logged_out', 'roles', 'disabled', 'account_deleted', 'age']
  const rules = [
    ...FRESH_RULES.map((what) => `${what}: 403 step_up_required`),
    'reset, right: 204',
    'reset, repeat: 204',
    'reset, repeat: 400 code_invalid',
    'reset, invalid: 400 code_invalid',
    'verify, right: 200',
    'verify, repeat: 200',
    'verify, invalid: 400 code_invalid',
    'change, right: 200',
    'change, repeat: 200',
    'change, invalid: 400 code_invalid',
    'refresh, rotate: 200',
    'refresh, repeat: 200',
    'refresh, late: 200',
    'refresh, superseded: 401 session_over password_changed',
    'refresh, reuse: 401 session_over token_reused',
    'logout by several: 204',
    'logout by several: 401 token_invalid',
    'logout by several: 401 no_token',
    'an access token: 401 token_invalid',
    'verify: 204',
    'verify with a role: 204',
    'verify with a role: 403 insufficient',
    'login: 403 account_disabled',
    'roles: 204',
    'roles: 404 not_found',
    'enabling: 204',
    'login: 401 second_factor_required',
    'beginning an app: 200',
    'confirming an app: 200',
    'confirming an app: 400 code_invalid',
    'confirming an app again: 200',
    'confirming an app again: 400 code_invalid',
    'removing the app: 204',
    'removing it again: 204',
    'second step by totp: 200',
    'second step by totp: 401 bad_credentials',
    'second step by recovery_code: 200',
    'second step by recovery_code: 401 bad_credentials',
    'second step, repeat: 200',
    'second step, repeat: 401 bad_credentials',
    'step-up by password: 200',
    'step-up by password: 403 wrong_password',
    'step-up by totp: 200',
    'step-up by totp: 403 wrong_password',
    'step-up by recovery_code: 200',
    'step-up by recovery_code: 403 wrong_password',
    'step-up, repeat: 200',
    'an access token: 401 token_revoked',
    'an access token: 401 token_expired',
    ...deaths.map((death) => `second step, dead by ${death}: 400 code_invalid`),
    ...reasons.map((reason) => `refresh, over: 401 session_over ${reason}`),
  ]
  if (RUNS >= 500)
    t.strictSame(
      rules.filter((rule) => !outcomes.has(rule)),
      [],
      'every rule was met',
    )
  outcomes.clear()
}
