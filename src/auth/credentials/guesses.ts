import type { Limit } from '../../config/limits.ts'
import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { type Network, networksOf } from '../../domain/ip-address.ts'
import type { SessionName } from '../../domain/session.ts'
import type { LimitName } from '../../events/security-events.ts'
import type { User } from '../../domain/user.ts'
import { counters } from '../../store/keys.ts'
import type { Counter, CounterKey, UsedUp } from '../../store/store.ts'
import { hasSessionAt, isKnownAddress } from '../accounts/known-ip-addresses.ts'
import { TooMany } from '../errors.ts'

/**
 * The limit on failed guesses at one password: whoever checks it asks before and after. Both throw StoreUnavailable if the
 * store cannot count.
 */
export interface Guesses {
  /**
   * Throws TooMany when too many guesses have failed, and counts nothing. Ask again after a right password: others may have
   * failed meanwhile.
   */
  readonly guard: () => Promise<void>
  /** Counts a failed guess and returns the answer for it; throws TooMany instead when the guess was one too many. */
  readonly fail: <Answer>(answer: Answer) => Promise<Answer>
}

/**
 * Limits guesses at a login, by the caller's networks and over all networks, whether or not there is an account. At an address
 * that its owner is known to use only the count of that network limits: failures of strangers elsewhere, or in the networks
 * around it, do not lock the owner out. The sessions are read only if a wider limit is used up.
 */
export function guessesAtLogin(deps: Deps, emailKey: string, user: User | null, caller: Caller): Guesses {
  const { config, store } = deps
  const { ip, network } = caller
  const here = spread(config.LIMIT_FAILURES, networksOf(ip), (name) => counters.failures(emailKey, name))
  const anywhere = { key: counters.accountFailures(emailKey), ...config.LIMIT_ACCOUNT_FAILURES }
  const own = here.slice(0, 1)
  const all = isKnownAddress(deps, user, network) ? own : [...here, anywhere]
  return limitGuesses(deps, caller, async (adds) => {
    const usedUp = await store.count({ counters: all, adds })
    if (usedUp === null) return null
    const isSpared = usedUp.place > 0 && (await hasSessionAt(deps, user, network))
    const left = isSpared ? await store.count({ counters: own, adds }) : usedUp
    return left && { limit: all[left.place] === anywhere ? 'account_failures' : 'failures', ...left }
  })
}

/** Limits guesses of a client with a live access token, by its session: failures of strangers elsewhere do not count. */
export function guessesBehindToken(deps: Deps, { userId, sessionId }: SessionName, caller: Caller): Guesses {
  const own = { key: counters.sessionFailures(userId, sessionId), ...deps.config.LIMIT_FAILURES }
  const { guard, fail } = limitGuesses(deps, caller, async (adds) => {
    const usedUp = await deps.store.count({ counters: [own], adds })
    return usedUp && { limit: 'session_failures', ...usedUp }
  })
  return {
    guard,
    fail(answer) {
      deps.record({ event: 'password.refused', user_id: userId, session_id: sessionId }, caller)
      return fail(answer)
    },
  }
}

/** The counters of a limit in these networks: each network has `times` the limit of one address. */
export function spread(
  { count, windowMs }: Limit,
  networks: readonly Network[],
  keyOf: (network: string) => CounterKey,
): Counter[] {
  return networks.map(({ name, times }) => ({ key: keyOf(name), count: count * times, windowMs }))
}

type GuessLimit = Extract<LimitName, 'failures' | 'account_failures' | 'session_failures' | 'second_factor'>
type UsedUpLimit = UsedUp & { readonly limit: GuessLimit }

/** Makes the limit of what `count` counts. */
export function limitGuesses(
  { record }: Deps,
  caller: Caller,
  count: (adds: boolean) => Promise<UsedUpLimit | null>,
): Guesses {
  async function ask(adds: boolean): Promise<void> {
    const usedUp = await count(adds)
    if (usedUp === null) return
    record({ event: 'limit.hit', limit: usedUp.limit }, caller)
    throw new TooMany(usedUp.leftMs)
  }
  return {
    guard: () => ask(false),
    async fail(answer) {
      await ask(true)
      return answer
    },
  }
}
