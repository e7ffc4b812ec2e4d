import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import type { Email } from '../../domain/email.ts'
import { newId } from '../../domain/id.ts'
import { type BrokenRule, normalisePassword } from '../../domain/password.ts'
import { newUser, type User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { absent, put } from '../../store/store.ts'
import { judgeNewPassword } from '../credentials/new-password.ts'
import { openSession, type SessionWish } from '../sessions/open.ts'
import type { Bearer } from '../tokens/issue.ts'
import { untilWon } from '../until-won.ts'
import { claimAddress, findUser, outbid } from './email-claims.ts'
import { addKnownAddress } from './known-ip-addresses.ts'

/** What a registration comes to: an account with its first session, or why not. */
export type Registered =
  | ({ readonly kind: 'ok' } & Bearer)
  | { readonly kind: 'taken' }
  | { readonly kind: 'unacceptable'; readonly rules: readonly BrokenRule[] }

/** For how many ms a user who does not exist yet holds the address, unless somebody else comes for it. */
const HELD_MS = 60_000

/**
 * Makes an account and its first session. An address is registered once, however many ask at the same time. There are three
 * commits, because the address and the user live in different slots: the user to be holds the address, for HELD_MS only; claims it; and
 * is there, with its session. Of many rivals one is there: each takes the hold from the one that has claimed the address before.
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
  const user = { ...newUser(newId(), email, deps.clock()), passwordHash, knownAddresses }
  const hold = put(keys.registering(user.id), email.key, deps.clock() + HELD_MS)
  await deps.store.commit({ checks: [], puts: [hold], deletes: [] })
  await outbid(deps, email)
  if (!(await claimAddress(deps, email, user.id))) return { kind: 'taken' }
  const opened = await openFirst(deps, user, wish, caller)
  return opened === null ? { kind: 'taken' } : { kind: 'ok', ...opened }
}

/** Opens the first session, with which the user is there; null: it took so long, or a rival was so quick, that the address is not held any more. */
async function openFirst(deps: Deps, user: User, wish: SessionWish, caller: Caller): Promise<Bearer | null> {
  const newcomer = { ...absent(keys.user(user.id)), value: user }
  const opened = await untilWon(async () => {
    const held = await deps.store.get(keys.registering(user.id))
    const opening = { amr: ['pwd'], event: 'account.registered' } as const
    return held === null ? 'late' : openSession(deps, newcomer, { ...opening, held }, wish, caller)
  })
  return opened === 'late' ? null : opened
}
