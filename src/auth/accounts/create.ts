import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import type { Email } from '../../domain/email.ts'
import { newId } from '../../domain/id.ts'
import type { JsonObject } from '../../domain/merge-patch.ts'
import { type BrokenRule, normalisePassword, UNUSABLE } from '../../domain/password.ts'
import { newUser, type User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { absent, type Entry, put, unchanged } from '../../store/store.ts'
import { noteWork } from '../credentials/imported-work.ts'
import { judgeNewPassword } from '../credentials/new-password.ts'
import { carryOut, vouchFor } from '../deed.ts'
import { demandIdentity } from '../keys/store-identity.ts'
import { untilWon } from '../until-won.ts'
import { claimAddress, findUser } from './email-claims.ts'

/** An account as the operator wants it. Without an id it gets one; without a password only a mail opens it. */
export interface Wanted {
  readonly id?: string | undefined
  readonly email: Email
  readonly emailVerified: boolean
  readonly password?: string | undefined
  readonly passwordHash?: string | undefined
  readonly roles: readonly string[]
  readonly app: JsonObject
}

/** What the wish comes to: an account, made now or there before, or why not. */
export type Created =
  | { readonly kind: 'created' | 'exists'; readonly user: User }
  | { readonly kind: 'id_taken' | 'email_taken' | 'hash_unacceptable' }
  | { readonly kind: 'password_unacceptable'; readonly rules: readonly BrokenRule[] }

/** For how many ms a user who does not exist yet holds the address: if the process dies meanwhile, nobody else gets it before. */
const HELD_MS = 10 * 60_000
/** So many times somebody else is waited for who is about to be this id with another address. */
const PATIENCE = 50

/**
 * Makes an account for the operator. There are three commits, as for a change of the address: the user to be holds it, claims it, and
 * is there with it. The same id and address again: the account that is there, as it is.
 */
export async function createUser(deps: Deps, wanted: Wanted, caller: Caller): Promise<Created> {
  const { id = newId(), email } = wanted
  const known = await untilWon(() => findKnown(deps, id, email))
  if (known !== 'free') return known
  const secret = await secretOf(deps, wanted)
  if (typeof secret !== 'string') return secret
  let tries = 0
  return untilWon(async () => {
    tries += 1
    return tryCreate(deps, { ...wanted, id, passwordHash: secret }, tries < PATIENCE, caller)
  })
}

/** Looks whether id and address are free, before anything dear is done; null: the account has changed meanwhile. */
async function findKnown(deps: Deps, id: string, email: Email): Promise<Created | 'free' | null> {
  const [user, owner] = await Promise.all([deps.store.get(keys.user(id)), findUser(deps, email)])
  if (user !== null) return answerKnown(deps, user, email)
  if (owner === null) return 'free'
  return owner.value.id === id ? null : { kind: 'email_taken' }
}

/** Answers with the account that is there. */
async function answerKnown(deps: Deps, entry: Entry<User>, email: Email): Promise<Created | null> {
  const { value: user } = entry
  if (user.emailKey !== email.key) return { kind: 'id_taken' }
  return (await vouchFor(deps, entry)) ? { kind: 'exists', user } : null
}

/** What is stored as the hash, or why not. */
async function secretOf(deps: Deps, { email, password, passwordHash }: Wanted): Promise<string | Created> {
  if (passwordHash !== undefined) {
    const hash = deps.hashing.read(passwordHash)
    const isTaken = hash !== null && (await noteWork(deps, hash.work))
    return isTaken ? passwordHash : { kind: 'hash_unacceptable' }
  }
  if (password === undefined) return UNUSABLE
  const rules = await judgeNewPassword(deps, password, email.address)
  if (rules.length > 0) return { kind: 'password_unacceptable', rules }
  return deps.hashing.hash(normalisePassword(password))
}

type Complete = Wanted & { readonly id: string; readonly passwordHash: string }

async function tryCreate(deps: Deps, wanted: Complete, isPatient: boolean, caller: Caller): Promise<Created | null> {
  const { id, email } = wanted
  const places = [keys.identity, keys.user(id), keys.heldEmail(id), keys.deniedBelow(id)] as const
  const [identity, user, held, denied] = await deps.store.getMany(places)
  demandIdentity(deps, identity, deps.keyring.identity())
  if (user !== null) return answerKnown(deps, user, email)
  if (held?.value !== email.key) {
    if (held !== null && isPatient) return null
    const puts = [put(keys.heldEmail(id), email.key, deps.clock() + HELD_MS)]
    await deps.store.commit({ checks: [unchanged(keys.heldEmail(id), held)], puts, deletes: [] })
    return null
  }
  if (!(await claimAddress(deps, email, id))) return (await letGo(deps, held), { kind: 'email_taken' })
  const made = userOf(deps, wanted, denied?.value ?? 0)
  const deed = {
    checks: [absent(keys.user(id)), held, unchanged(keys.deniedBelow(id), denied)],
    puts: [put(keys.user(id), made, null)],
    deletes: [held.key],
    events: [{ event: 'account.created', user_id: id }] as const,
  }
  return (await carryOut(deps, deed, caller)) ? { kind: 'created', user: made } : null
}

async function letGo({ store }: Deps, held: Entry<string>): Promise<void> {
  await store.commit({ checks: [held], puts: [], deletes: [held.key] })
}

/** The user; tokens of an earlier one with this id are of lower generations, and stay dead. */
function userOf(
  deps: Deps,
  { id, email, emailVerified, passwordHash, roles, app }: Complete,
  generation: number,
): User {
  const user = newUser(id, email, deps.clock())
  return { ...user, emailVerified, passwordHash, generation, roles: [...new Set(roles)], app }
}
