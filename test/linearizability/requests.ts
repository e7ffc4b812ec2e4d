import { setTimeout as sleep } from 'node:timers/promises'
import { type Code, codeOfNow, makeCodes } from './codes.ts'
import { type Asked, type History, isDone, isInDoubt, isRefused, type Operation } from './history.ts'
import type { Access, Challenge, Pool, Place, Session, TokensBody, User } from './pool.ts'
import { newId } from '../../src/domain/id.ts'
import { ADMIN_KEY } from '../support/env.ts'

/** The role that comes and goes. */
const ROLE = 'editor'

/** What honest clients do, each request written down in the history. */
export type Requests = {
  /** By a new address each time; and enrols the app of whoever has one. */
  readonly register: (user: User) => Promise<Operation>
  readonly login: (place: Place) => Promise<Operation>
  /** The password of somebody with an app; the challenge is null if it was not taken. */
  readonly firstStep: (user: User) => Promise<{ readonly operation: Operation; readonly challenge: Challenge | null }>
  /** Null: no session. */
  readonly secondStep: (user: User, challenge: Challenge, code: Code) => Promise<Session | null>
  readonly stepUp: (session: Session, code: Code) => Promise<Operation>
  /** The recovery codes. */
  readonly renewCodes: (session: Session) => Promise<Operation>
  /** At the balancer unless told. */
  readonly verify: (access: Access, at?: string) => Promise<Operation>
  /** And demands the role. */
  readonly verifyRole: (access: Access) => Promise<Operation>
  /** At the service that is protected by the package for services. */
  readonly verifyAtService: (access: Access) => Promise<Operation>
  readonly refresh: (session: Session) => Promise<Operation>
  readonly logout: (session: Session) => Promise<Operation>
  /** Ends `other`, of the same user. */
  readonly revoke: (session: Session, other: Session) => Promise<Operation>
  readonly revokeAll: (session: Session) => Promise<Operation>
  readonly changePassword: (session: Session) => Promise<Operation>
  /** By a mail; null: none came. */
  readonly resetPassword: (user: User) => Promise<Operation | null>
  /** What the operator does to the account of now. */
  readonly operate: (kind: OperatorKind, user: User) => Promise<Operation>
}

/** What the operator does, and how. */
const OPERATOR = {
  'give-role': ['PUT', '/roles', { roles: [ROLE] }, { only: 'access' }],
  'take-role': ['PUT', '/roles', { roles: [] }, { only: 'access' }],
  disable: ['PUT', '/disabled', { reason: 'test' }, { allBut: null }],
  enable: ['DELETE', '/disabled', undefined, null],
  remove: ['DELETE', '', undefined, { allBut: null }],
} as const
export type OperatorKind = keyof typeof OPERATOR

/** Asks for a mail to this address, and resolves to the token in it; null: it does not come. */
export type Mailed = (email: string) => Promise<string | null>

type Sent = { readonly body?: unknown; readonly token?: string }
type Answer = { readonly operation: Operation; readonly body: unknown }

/** An answer that takes longer is lost. */
const PATIENCE_MS = 8_000

/** Where requests go: to the balancer, to a service that asks there, and in turn to the operator's listener of each instance. */
export type Places = { readonly url: string; readonly serviceUrl: string; readonly adminUrls: readonly string[] }

/** Makes the requests of clients who share a pool, and those of the operator. */
export function makeRequests(
  { url, serviceUrl, adminUrls }: Places,
  history: History,
  pool: Pool,
  mailed: Mailed,
): Requests {
  let turns = 0
  let passwords = 0
  const newPassword = () => `seven red bicycles, number ${(passwords += 1)}`

  async function ask(asked: Asked, method: string, path: string, sent: Sent, at = url): Promise<Answer> {
    const operation = history.begin(asked)
    const { status, body } = await send(`${at}${path}`, method, sent).catch(() => ({ status: 0, body: null }))
    const { reason, code, session_id } = (body ?? {}) as { reason?: string; code?: string; session_id?: string }
    history.end(operation, status, reason ?? code, session_id)
    return { operation, body }
  }

  /** By the first of the user's passwords. */
  async function showPassword(user: User, kind: 'login' | 'first-step'): Promise<Answer> {
    const tried = user.passwords
    const [password, ...others] = tried
    if (password === undefined) throw new Error(`${user.name} is not registered`)
    const asked = { kind, user: user.name, shows: password.credential, ends: null } as const
    const sent = { body: { email: user.email, password: password.text } }
    const answer = await ask(asked, 'POST', '/v1/login', sent)
    if (user.passwords === tried && isDone(answer.operation)) user.passwords = [password]
    if (user.passwords === tried && isRefused(answer.operation)) user.passwords = [...others, password]
    return answer
  }

  async function enrol(user: User, { access_token: token }: TokensBody): Promise<Operation> {
    const asked = { kind: 'enrol', user: user.name, shows: null, ends: null } as const
    const begun = await answerInTheEnd(() => ask(asked, 'POST', '/v1/factors/totp', { token }))
    if (!isDone(begun.operation)) return begun.operation
    const { secret } = begun.body as { secret: string }
    const code = codeOfNow(secret)
    const sent = { token, body: { code: code.proof.totp } }
    const spending = { ...asked, spends: code.name }
    const done = await answerInTheEnd(() => ask(spending, 'POST', '/v1/factors/totp/confirm', sent))
    if (isDone(done.operation))
      user.codes = makeCodes(secret, code, (done.body as { recovery_codes: string[] }).recovery_codes)
    return done.operation
  }

  /** Everything the ending has certainly ended is left. */
  function leaveAll(user: User, ending: Operation, keep: Session | null): void {
    for (const { session } of pool.places) {
      const isOlder = session?.user === user && session.credential.openedBy.endedAt < ending.startedAt
      if (session && isOlder && session !== keep) pool.leave(session)
    }
  }

  return {
    async register(user) {
      const text = newPassword()
      user.email = `${user.name}-${newId()}@example.org`.toLowerCase() // as its mails are addressed
      const asked = { kind: 'register', user: user.name, shows: null, ends: null } as const
      const sent = { body: { email: user.email, password: text } }
      const { operation, body } = await ask(asked, 'POST', '/v1/register', sent)
      if (!isDone(operation)) return operation
      // Nobody else may have a session before it: the enrolment would end it.
      const enrolled = user.hasApp ? await enrol(user, body as TokensBody) : operation
      if (!isDone(enrolled)) return enrolled
      user.passwords = [pool.password(user, text, operation)]
      user.id = (body as { user: { id: string } }).user.id
      return operation
    },

    async login(place) {
      const { operation, body } = await showPassword(place.user, 'login')
      if (isDone(operation)) place.session = pool.open(place.user, body as TokensBody, operation)
      return operation
    },

    async firstStep(user) {
      const { operation, body } = await showPassword(user, 'first-step')
      const { challenge = '' } = (body ?? {}) as { challenge?: string }
      return { operation, challenge: isDone(operation) ? pool.challenge(user, challenge, operation) : null }
    },

    async secondStep(user, { credential, text }, { name, proof }) {
      const asked = { kind: 'second-step', user: user.name, shows: credential, ends: null, spends: name } as const
      const sent = { body: { challenge: text, ...proof } }
      const { operation, body } = await answerInTheEnd(() => ask(asked, 'POST', '/v1/login/second-factor', sent))
      return isDone(operation) ? pool.open(user, body as TokensBody, operation) : null
    },

    async stepUp(session, { name, proof }) {
      const { user, access } = session
      const asked = { kind: 'step-up', user: user.name, shows: access.credential, ends: null, spends: name } as const
      const sent = { token: access.text, body: proof }
      const { operation, body } = await answerInTheEnd(() => ask(asked, 'POST', '/v1/step-up', sent))
      if (isDone(operation)) pool.adopt(session, body as TokensBody, operation)
      return operation
    },

    async renewCodes({ user, access }) {
      const asked = { kind: 'renew-codes', user: user.name, shows: access.credential, ends: null } as const
      const { codes } = user
      const sent = { token: access.text, body: { request_id: newId() } }
      const { operation, body } = await answerInTheEnd(() => ask(asked, 'POST', '/v1/factors/recovery-codes', sent))
      if (isDone(operation)) codes?.renew((body as { recovery_codes: string[] }).recovery_codes)
      return operation
    },

    async verify({ credential, text }, at) {
      const asked = { kind: 'verify', user: credential.user, shows: credential, ends: null } as const
      return (await ask(asked, 'GET', '/v1/verify', { token: text }, at)).operation
    },

    async verifyRole({ credential, text }) {
      const asked = { kind: 'verify-role', user: credential.user, shows: credential, ends: null } as const
      return (await ask(asked, 'GET', `/v1/verify?role=${ROLE}`, { token: text })).operation
    },

    async verifyAtService({ credential, text }) {
      const asked = { kind: 'verify-service', user: credential.user, shows: credential, ends: null } as const
      return (await ask(asked, 'GET', '/', { token: text }, serviceUrl)).operation
    },

    async refresh(session) {
      const asked = { kind: 'refresh', user: session.user.name, shows: session.credential, ends: null } as const
      const sent = { body: { refresh_token: session.refreshToken } }
      const { operation, body } = await ask(asked, 'POST', '/v1/refresh', sent)
      if (isDone(operation)) pool.adopt(session, body as TokensBody, operation)
      if (isRefused(operation)) pool.leave(session)
      return operation
    },

    logout({ user, credential, refreshToken }) {
      const asked = { kind: 'logout', user: user.name, shows: null, ends: { session: credential.name } } as const
      return whileInDoubt(async () => {
        return (await ask(asked, 'POST', '/v1/logout', { body: { refresh_token: refreshToken } })).operation
      })
    },

    revoke(session, other) {
      const { user, access } = session
      const ends = { session: other.credential.name }
      const asked = { kind: 'revoke', user: user.name, shows: access.credential, ends } as const
      return whileInDoubt(async () => {
        return (await ask(asked, 'DELETE', `/v1/sessions/${other.id}`, { token: access.text })).operation
      })
    },

    async revokeAll({ user, access }) {
      const asked = { kind: 'revoke-all', user: user.name, shows: access.credential, ends: { allBut: null } } as const
      const sent = { token: access.text, body: { scope: 'all' } }
      const operation = await whileInDoubt(async () => (await ask(asked, 'POST', '/v1/logout', sent)).operation)
      if (isDone(operation)) leaveAll(user, operation, null)
      return operation
    },

    async changePassword(session) {
      const { user, access, credential } = session
      const [current, ...others] = user.passwords
      const text = newPassword()
      const ends = { allBut: credential.name }
      const asked = { kind: 'password', user: user.name, shows: access.credential, ends } as const
      const sent = { token: access.text, body: { current_password: current?.text, new_password: text } }
      const { operation, body } = await ask(asked, 'POST', '/v1/password', sent)
      const next = pool.password(user, text, operation)
      if (isDone(operation)) {
        user.passwords = [next]
        pool.adopt(session, body as TokensBody, operation)
        leaveAll(user, operation, session)
      } else if (isInDoubt(operation)) user.passwords = [next, ...user.passwords]
      else if (operation.status === 403 && current) user.passwords = [...others, current]
      return operation
    },

    async resetPassword(user) {
      const token = await mailed(user.email)
      if (token === null) return null
      const text = newPassword()
      const asked = { kind: 'reset', user: user.name, shows: null, ends: { allBut: null } } as const
      const sent = { body: { token, new_password: text } }
      let wasInDoubt = false
      const operation = await whileInDoubt(async () => {
        const tried = (await ask(asked, 'POST', '/v1/password/reset', sent)).operation
        wasInDoubt ||= isInDoubt(tried)
        return tried
      })
      const next = pool.password(user, text, operation)
      if (isDone(operation)) {
        user.passwords = [next]
        leaveAll(user, operation, null)
      } else if (wasInDoubt) user.passwords = [next, ...user.passwords]
      return operation
    },

    async operate(kind, user) {
      const [method, path, body, ends] = OPERATOR[kind]
      const asked = { kind, user: user.name, shows: null, ends } as const
      const at = `/admin/v1/users/${user.id}${path}`
      const operation = await whileInDoubt(async () => {
        const listener = adminUrls[(turns += 1) % adminUrls.length] as string
        return (await ask(asked, method, at, { token: ADMIN_KEY, body }, listener)).operation
      })
      if (isDone(operation) && ends !== null && 'allBut' in ends) leaveAll(user, operation, null)
      return operation
    },
  }
}

async function send(url: string, method: string, { body, token }: Sent): Promise<{ status: number; body: unknown }> {
  const headers: Record<string, string> = {}
  if (body !== undefined) headers['content-type'] = 'application/json'
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const response = await fetch(url, {
    method,
    headers,
    signal,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : null }
}

/** Sends the same again while the service cannot know, as the contract says, and gives up at last. */
async function answerInTheEnd(ask: () => Promise<Answer>): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    const answer = await ask()
    if (!isInDoubt(answer.operation) || tries === 50) return answer
    await sleep(200)
  }
}

/** The same of what has no answer but its status. */
async function whileInDoubt(ask: () => Promise<Operation>): Promise<Operation> {
  return (await answerInTheEnd(async () => ({ operation: await ask(), body: null }))).operation
}
