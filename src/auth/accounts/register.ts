import type { Deps } from '../../deps.ts'
import { networksOf } from '../../domain/address.ts'
import type { Caller } from '../../domain/caller.ts'
import type { Email } from '../../domain/email.ts'
import { type BrokenRule, judgePassword, normalisePassword } from '../../domain/password.ts'
import type { Session, Transport } from '../../domain/session.ts'
import type { KnownAddress, User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, put } from '../../store/store.ts'
import { type GuessGuard, passwordCheck } from '../credentials/password.ts'
import {
  liveSessions,
  nextGeneration,
  openSession,
  type Self,
  type SessionWish,
  unendedSessions,
} from '../sessions/open.ts'
import { endings, recordEnds } from '../sessions/session-writes.ts'
import { newId } from '../tokens/issue.ts'
import { untilWon } from '../until-won.ts'
import { claimAddress, findUser, releaseAddress } from './email-claims.ts'

export interface Credentials {
  readonly email: Email
  readonly password: string
}

export type Registered =
  | { readonly kind: 'ok'; readonly user: User; readonly session: Session }
  | { readonly kind: 'taken' }
  | { readonly kind: 'unacceptable'; readonly rules: readonly BrokenRule[] }

export type Authenticated =
  | { readonly kind: 'ok'; readonly user: User; readonly session: Session }
  | { readonly kind: 'wrong'; readonly user: User | null }

export type Removed =
  | { readonly kind: 'ok'; readonly transport: Transport }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'over' }

/** How long a user lives whose registration has not come to its end. */
const PENDING_MS = 60_000
const ADDRESSES_KEPT = 20
/** For how long an address the owner has used is spared the account's limit. */
const ADDRESS_KNOWN_MS = 30 * 86_400_000

/**
 * Makes an account and its first session. Three commits, as the address and the user live in different slots: the user,
 * who vanishes unless the last one follows; the claim to the address, which one of many wins; the session, which makes the user stay.
 */
export async function register(
  deps: Deps,
  { email, password }: Credentials,
  wish: SessionWish,
  caller: Caller,
): Promise<Registered> {
  const rules = judgePassword(password, email.address, deps.config.PASSWORD_MIN_LENGTH)
  if (rules.length > 0) return { kind: 'unacceptable', rules }
  if ((await findUser(deps, email)) !== null) return { kind: 'taken' }
  const passwordHash = await deps.hashing.hash(normalisePassword(password))
  const user = newUser(deps, email, passwordHash, caller)
  const pending = put(keys.user(user.id), user, deps.clock() + PENDING_MS)
  await deps.store.commit({ checks: [], puts: [pending], deletes: [] })
  if (!(await claimAddress(deps, email, user))) return { kind: 'taken' }
  const session = await openFor(deps, user.id, wish, caller)
  if (session === null) return { kind: 'taken' }
  deps.record('account.registered', { user_id: user.id, session_id: session.id }, caller)
  return { kind: 'ok', user, session }
}

/** Checks a password and opens a session; a wrong one takes as long as one for nobody. Rehashes when the parameters have risen. */
export async function authenticate(
  deps: Deps,
  found: Entry<User> | null,
  password: string,
  wish: SessionWish,
  caller: Caller,
  guard: GuessGuard,
): Promise<Authenticated> {
  const { hashing, store, record } = deps
  const isRight = passwordCheck(deps, password)
  if (!(await isRight(found?.value.passwordHash ?? null)) || found === null) return refuse(deps, found, caller)
  await guard()
  const checked = found.value.passwordHash
  const rehashed = hashing.isOutdated(checked) ? await hashing.hash(normalisePassword(password)) : checked
  const session = await untilWon(async () => {
    const user = await store.get(keys.user(found.value.id))
    if (user === null || !(await isRight(user.value.passwordHash))) return 'changed'
    const passwordHash = user.value.passwordHash === checked ? rehashed : user.value.passwordHash
    return openSession(deps, user, wish, caller, { passwordHash, ...knowing(deps, user.value, caller) })
  })
  if (session === 'changed') return refuse(deps, found, caller)
  record('login.succeeded', { user_id: session.userId, session_id: session.id }, caller)
  return { kind: 'ok', user: found.value, session }
}

/** The account of a user; null if it is gone. */
export async function readUser({ store }: Deps, userId: string): Promise<User | null> {
  return (await store.get(keys.user(userId)))?.value ?? null
}

/** Whether the owner of the account has lately registered or logged in from this address. */
export function isKnownAddress({ clock }: Deps, user: User | null, network: string): boolean {
  return (
    user?.knownAddresses.some((known) => known.address === network && clock() - known.seenAt < ADDRESS_KNOWN_MS) ??
    false
  )
}

/** Whether a live session of the account is at this address. Reads as much whether or not there is an account. */
export async function hasSessionAt(deps: Deps, user: User | null, network: string): Promise<boolean> {
  const { id, sessions } = user ?? { id: 'nobody', sessions: [] }
  const count = Math.max(sessions.length, deps.config.SESSION_MAX)
  const padded = Array.from({ length: count }, (_, place) => sessions[place] ?? `none-${place}`)
  const live = await liveSessions(deps, { id, sessions: padded })
  return live.some(({ ip }) => networksOf(ip)[0].name === network)
}

/** Removes the account with all its sessions and data, and denies its access tokens, in one step. */
export async function removeAccount(
  deps: Deps,
  { userId, sessionId }: Self,
  password: string,
  caller: Caller,
  guard: GuessGuard,
): Promise<Removed> {
  const { store, record } = deps
  const isRight = passwordCheck(deps, password)
  const removed = await untilWon(async () => {
    const user = await store.get(keys.user(userId))
    if (user === null) return { kind: 'over' } as const
    if (!(await isRight(user.value.passwordHash))) return { kind: 'wrong' } as const
    await guard()
    const sessions = await unendedSessions(deps, user.value)
    const { puts, deletes } = endings(deps, sessions, 'account_deleted')
    const { denials } = nextGeneration(deps, user.value)
    const gone = [keys.user(userId), keys.preferences(userId), ...deletes]
    if (!(await store.commit({ checks: [user], puts: [...denials, ...puts], deletes: gone }))) return null
    recordEnds(deps, sessions, 'account_deleted', caller)
    const transport = sessions.find(({ id }) => id === sessionId)?.transport ?? 'body'
    return { kind: 'ok', user: user.value, transport } as const
  })
  if (removed.kind !== 'ok') return removed
  record('account.deleted', { user_id: userId }, caller)
  await releaseAddress(deps, removed.user)
  return removed
}

function newUser({ clock }: Deps, email: Email, passwordHash: string, caller: Caller): User {
  return {
    id: newId(),
    email: email.address,
    emailKey: email.key,
    passwordHash,
    createdAt: clock(),
    generation: 0,
    sessions: [],
    knownAddresses: [{ address: caller.network, seenAt: clock() }],
  }
}

async function openFor(deps: Deps, userId: string, wish: SessionWish, caller: Caller): Promise<Session | null> {
  const session = await untilWon(async () => {
    const user = await deps.store.get(keys.user(userId))
    return user === null ? 'gone' : openSession(deps, user, wish, caller)
  })
  return session === 'gone' ? null : session
}

function refuse({ record }: Deps, found: Entry<User> | null, caller: Caller): Authenticated {
  const user = found?.value ?? null
  const cause = user === null ? 'unknown_account' : 'wrong_password'
  record('login.failed', { user_id: user?.id ?? null, cause }, caller)
  return { kind: 'wrong', user }
}

function knowing({ clock }: Deps, user: User, { network }: Caller): { knownAddresses: readonly KnownAddress[] } {
  const others = user.knownAddresses.filter(({ address }) => address !== network)
  return { knownAddresses: [...others, { address: network, seenAt: clock() }].slice(-ADDRESSES_KEPT) }
}
