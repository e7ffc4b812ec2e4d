import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { counters } from '../../store/keys.ts'
import type { Count } from '../../store/store.ts'
import { TooMany } from '../errors.ts'

/**
 * Counts a mail that a request asks for: to one recipient, whoever asks and whether or not there is an account, and to all. Throws
 * TooMany beyond.
 */
export async function countMail(deps: Deps, emailKey: string, caller: Caller): Promise<void> {
  const { LIMIT_MAIL, LIMIT_MAIL_TOTAL } = deps.config
  const all = { key: counters.allMails, ...LIMIT_MAIL_TOTAL }
  await demand(deps, 'mail_total', { counters: [all], adds: false }, caller) // else a refusal would use up the recipient's
  await demand(deps, 'mail', { counters: [{ key: counters.mails(emailKey), ...LIMIT_MAIL }], adds: true }, caller)
  await demand(deps, 'mail_total', { counters: [all], adds: true }, caller)
}

async function demand(
  { store, record }: Deps,
  limit: 'mail' | 'mail_total',
  count: Count,
  caller: Caller,
): Promise<void> {
  const usedUp = await store.count(count)
  if (usedUp === null) return
  record({ event: 'limit.hit', limit }, caller)
  throw new TooMany(usedUp.leftMs)
}

/** Whether so many codes of mails were wrong that no code of the account is taken; asks only. */
export async function areCodesDead({ store, config }: Deps, emailKey: string): Promise<boolean> {
  const counter = { key: counters.wrongCodes(emailKey), ...config.LIMIT_CODES }
  return (await store.count({ counters: [counter], adds: false })) !== null
}

/** Counts a wrong code. */
export async function countWrongCode({ store, config }: Deps, emailKey: string): Promise<void> {
  await store.count({ counters: [{ key: counters.wrongCodes(emailKey), ...config.LIMIT_CODES }], adds: true })
}
