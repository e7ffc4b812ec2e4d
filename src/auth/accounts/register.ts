import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import type { Email } from '../../domain/email.ts'
import { newId } from '../../domain/id.ts'
import { type BrokenRule, normalisePassword } from '../../domain/password.ts'
import { newUser } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { put } from '../../store/store.ts'
import { judgeNewPassword } from '../credentials/new-password.ts'
import { openSession, type SessionWish } from '../sessions/open.ts'
import type { Bearer } from '../tokens/issue.ts'
import { untilWon } from '../until-won.ts'
import { claimAddress, findUser } from './email-claims.ts'
import { addKnownAddress } from './known-ip-addresses.ts'

/** What a registration comes to: an account with its first session, or why not. */
export type Registered =
  | ({ readonly kind: 'ok' } & Bearer)
  | { readonly kind: 'taken' }
  | { readonly kind: 'unacceptable'; readonly rules: readonly BrokenRule[] }

/** For how many ms the store keeps a user whose registration has not been completed. */
const PENDING_MS = 60_000

/**
 * Makes an account and its first session. An address is registered once, however many ask at the same time. There are three
 * commits, because the address and the user live in different slots: the user, for PENDING_MS only; the claim to the address,
 * which one of many rivals wins; the session, whose commit makes the user stay.
 */
export async function register(
  deps: Deps,
  { email, password }: { readonly email: Email; readonly password: string },
  wish: SessionWish,
  caller: Caller,
): Promise<Registered> {
  const rules = await judgeNewPassword(deps, password, email.address)
  if (rules.length > 0) return { kind: 'unacceptable', rules }
  if ((await findUser(deps, email)) !== null) return { kind: 'taken' }
  const passwordHash = await deps.hashing.hash(normalisePassword(password))
  const knownAddresses = addKnownAddress(deps, [], caller)
  const user = { ...newUser(newId(), email, deps.clock()), passwordHash, knownAddresses, pending: true as const }
  const pending = put(keys.user(user.id), user, deps.clock() + PENDING_MS)
  await deps.store.commit({ checks: [], puts: [pending], deletes: [] })
  if (!(await claimAddress(deps, email, user.id))) return { kind: 'taken' }
  const opened = await openFirst(deps, user.id, wish, caller)
  return opened === null ? { kind: 'taken' } : { kind: 'ok', ...opened }
}

/** Opens the first session; null: the claim took so long that the pending user has vanished. */
async function openFirst(deps: Deps, userId: string, wish: SessionWish, caller: Caller): Promise<Bearer | null> {
  const opened = await untilWon(async () => {
    const user = await deps.store.get(keys.user(userId))
    return user === null ? 'gone' : openSession(deps, user, { amr: ['pwd'], event: 'account.registered' }, wish, caller)
  })
  return opened === 'gone' ? null : opened
}
