import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { newId } from '../../domain/id.ts'
import type { MailKind } from '../../domain/mail.ts'
import {
  ask,
  decideUse,
  NO_SECRETS,
  type Purpose,
  PURPOSES,
  type SecretOwner,
  type Secrets,
  secretsKeptUntil,
  type Shown,
  spend,
  type Use,
} from '../../domain/one-time-secret.ts'
import type { User } from '../../domain/user.ts'
import { lifeOf } from '../../mail/link-life.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, put, type Put, unchanged } from '../../store/store.ts'
import { carryOut, type Deed } from '../deed.ts'
import { demandIdentity } from '../keys/store-identity.ts'
import { areCodesDead, countWrongCode } from './limits.ts'
import { newMail } from './notices.ts'

// The secrets that travel by mail: how they are asked for, shown and spent, the same for each purpose.

/** A user, and the secrets of one purpose, read at once; null: there are none. */
export interface SecretsOfUser {
  readonly user: Entry<User> | null
  readonly entry: Entry<Secrets> | null
}

/** Reads what a mail or a shown secret is decided on. Throws StoreUnavailable unless the store is that of our keys. */
export async function readSecrets(deps: Deps, { userId, purpose }: SecretOwner): Promise<SecretsOfUser> {
  const places = [keys.identity, keys.user(userId), keys.secrets(userId, purpose)] as const
  const [identity, user, entry] = await deps.store.getMany(places)
  demandIdentity(deps, identity, deps.keyring.identity())
  return { user, entry }
}

/** A mail with a secret: what it tells, to whom it goes, and in which language; null: in the service's own. */
export interface SecretMail {
  readonly kind: MailKind
  readonly email: string
  readonly locale: string | null
  /** The secrets of earlier mails of that purpose open nothing any more. */
  readonly supersedes?: boolean
}

/**
 * Writes a secret with the mail that holds it, and what else belongs to the deed. (`email-taken` goes to somebody else, and holds
 * none.) False: the user or the secrets have changed since they were read; read them and decide again.
 */
export async function writeSecretMail(
  deps: Deps,
  owner: SecretOwner,
  { user, entry }: SecretsOfUser,
  { kind, email, locale, supersedes = false }: SecretMail,
  { events, puts = [], deletes = [], mails = [] }: Pick<Deed, 'events'> & Partial<Deed>,
  caller: Caller,
): Promise<boolean> {
  const { userId, purpose } = owner
  const ttlMs = lifeOf(deps.config, purpose)
  const before = supersedes || entry === null ? NO_SECRETS : entry.value
  const secrets = ask(before, { nonce: newId(), email, locale }, deps.moment(), ttlMs)
  const { nonce, askedAt } = secrets.current
  const mail = {
    ...newMail(deps, caller),
    userId,
    to: email,
    kind,
    locale: locale ?? deps.config.MAIL_LOCALE,
    secret: kind === 'email-taken' ? null : { purpose, nonce },
    expiresAt: askedAt + ttlMs,
  }
  const checks = [unchanged(keys.user(userId), user), unchanged(keys.secrets(userId, purpose), entry)]
  const written = [putSecrets(deps, owner, secrets), ...puts]
  return carryOut(deps, { checks, puts: written, deletes, events, mails: [mail, ...mails] }, caller)
}

/** Decides about a secret that was shown. A code is not taken after too many wrong ones, see LIMIT_CODES. */
export async function judge(
  deps: Deps,
  owner: SecretOwner,
  { user, entry }: SecretsOfUser,
  shown: Shown,
): Promise<Use> {
  const at = { moment: deps.moment(), ttlMs: lifeOf(deps.config, owner.purpose) }
  const use = decideUse(deps.authKeys, owner, entry?.value ?? NO_SECRETS, shown, at)
  if (user === null || user.value.disabled || use.kind === 'invalid') return { kind: 'invalid' }
  const isDead = shown.kind === 'code' && (await areCodesDead(deps, user.value.emailKey))
  return isDead ? { kind: 'invalid' } : use
}

/** The record of a user who has used what was mailed: mail to the address arrives, and this is a language of its owner. */
export function provenBy(user: User, { locale }: Extract<Use, { kind: 'right' }>): User {
  return { ...user, emailVerified: true, ...(locale === null ? {} : { locale }) }
}

/** Records that a secret was refused, and counts it if it is a code; `emailKey` is of the account, or where there is none of the address. */
export async function refuse(
  deps: Deps,
  { userId, purpose }: { readonly userId: string | null; readonly purpose: Purpose },
  { shown, emailKey }: { readonly shown: Shown | null; readonly emailKey: string },
  caller: Caller,
): Promise<{ readonly kind: 'invalid' }> {
  deps.record(
    { event: 'code.refused', user_id: userId, purpose, by: shown?.kind === 'code' ? 'code' : 'token' },
    caller,
  )
  if (shown?.kind === 'code') await countWrongCode(deps, emailKey)
  return { kind: 'invalid' }
}

/** The write that spends the current secret. */
export function putSpent(deps: Deps, owner: SecretOwner, entry: Entry<Secrets>): Put {
  return putSecrets(deps, owner, spend(entry.value, deps.clock()))
}

/**
 * The keys to delete so that every mail that is under way to a user opens nothing, but for the secrets of the purpose `but`: they
 * tell that one of them was used.
 */
export function mailKeys(userId: string, but?: Purpose): string[] {
  const purposes = PURPOSES.filter((purpose) => purpose !== but)
  return [keys.heldEmail(userId), ...purposes.map((purpose) => keys.secrets(userId, purpose))]
}

function putSecrets(deps: Deps, { userId, purpose }: SecretOwner, secrets: Secrets): Put {
  return put(keys.secrets(userId, purpose), secrets, secretsKeptUntil(secrets, lifeOf(deps.config, purpose)))
}
