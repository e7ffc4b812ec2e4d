import type { Limit } from '../../config/limits.ts'
import type { Deps } from '../../deps.ts'
import { type Network, networksOf } from '../../domain/address.ts'
import type { Caller } from '../../domain/caller.ts'
import type { SessionName } from '../../domain/session.ts'
import type { User } from '../../domain/user.ts'
import { counters } from '../../store/keys.ts'
import type { Counter, CounterKey, UsedUp } from '../../store/store.ts'
import { hasSessionAt, isKnownAddress } from '../accounts/known-addresses.ts'
import { TooMany } from '../too-many.ts'

/** What whoever tries a password has to ask before and after. A count that cannot be made is StoreUnavailable. */
export interface Guesses {
  /** Throws TooMany when too many guesses have failed: asked again once a password was right, as many may have been tried at once. Counts nothing. */
  readonly guard: () => Promise<void>
  /** Counts a failed guess and gives its answer back; throws TooMany instead when it was one too many. */
  readonly fail: <Answer>(answer: Answer) => Promise<Answer>
}

/**
 * Guesses at login: counted from here and from anywhere, whether or not there is an account. An address that the account is
 * known from has a count of its own only: a stranger's failures elsewhere, or next door, do not lock its owner out. The
 * sessions are looked at only when it matters.
 */
export function atLogin(deps: Deps, emailKey: string, user: User | null, caller: Caller): Guesses {
  const { config, store } = deps
  const { ip, network } = caller
  const here = spread(config.LIMIT_FAILURES, networksOf(ip), (name) => counters.failures(emailKey, name))
  const anywhere = { key: counters.accountFailures(emailKey), ...config.LIMIT_ACCOUNT_FAILURES }
  const own = here.slice(0, 1)
  const all = isKnownAddress(deps, user, network) ? own : [...here, anywhere]
  return guesses(deps, caller, async (adds) => {
    const usedUp = await store.count({ counters: all, adds })
    if (usedUp === null) return null
    const isSpared = usedUp.place > 0 && (await hasSessionAt(deps, user, network))
    const left = isSpared ? await store.count({ counters: own, adds }) : usedUp
    return left && { limit: all[left.place] === anywhere ? 'account_failures' : 'failures', ...left }
  })
}

/** Guesses behind a live token: counted for its session. A stranger's failures elsewhere are not its own. */
export function behindToken(deps: Deps, { userId, sessionId }: SessionName, caller: Caller): Guesses {
  const own = { key: counters.sessionFailures(userId, sessionId), ...deps.config.LIMIT_FAILURES }
  const { guard, fail } = guesses(deps, caller, async (adds) => {
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

/** A limit of the address, and as many times more of the networks around it as they may have. */
export function spread(
  { count, windowMs }: Limit,
  networks: readonly Network[],
  keyOf: (network: string) => CounterKey,
): Counter[] {
  return networks.map(({ name, times }) => ({ key: keyOf(name), count: count * times, windowMs }))
}

type Refusal = UsedUp & { readonly limit: 'failures' | 'account_failures' | 'session_failures' }

function guesses({ record }: Deps, caller: Caller, count: (adds: boolean) => Promise<Refusal | null>): Guesses {
  async function ask(adds: boolean): Promise<void> {
    const refusal = await count(adds)
    if (refusal === null) return
    record({ event: 'limit.hit', limit: refusal.limit }, caller)
    throw new TooMany(refusal.leftMs)
  }
  return {
    guard: () => ask(false),
    async fail(answer) {
      await ask(true)
      return answer
    },
  }
}
