import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import type { Factor } from '../../domain/factors.ts'
import type { User } from '../../domain/user.ts'
import { counters } from '../../store/keys.ts'
import { hasSessionAt, isKnownAddress } from '../accounts/known-ip-addresses.ts'
import { carryOut } from '../deed.ts'
import { notice } from '../mail/notices.ts'
import { type Guesses, limitGuesses } from './guesses.ts'

/** Whose factor somebody guesses at, and in which session; null: before it opens. */
export interface Target {
  readonly user: User
  readonly sessionId: string | null
}

/** So many wrong codes are a slip; at the next one the owner is told. */
const SLIPS = 4
/** Stands for the networks that the owner is not known to use. */
const ELSEWHERE = 'elsewhere'

/**
 * Limits guesses at the codes of a factor, apart from those at the password and at other factors. Each network that the owner is known
 * to use is counted by itself, and all others together: a stranger cannot shut the owner out.
 */
export function guessesAtFactor(deps: Deps, factor: Factor, target: Target, caller: Caller): Guesses {
  const { user, sessionId } = target
  const { guard, fail } = limitGuesses(deps, caller, async (adds) => {
    const isOwners = isKnownAddress(deps, user, caller.network)
    const usedUp = await countIn(deps, target, factor, isOwners ? caller.network : ELSEWHERE, adds)
    const isSpared = usedUp !== null && !isOwners && (await hasSessionAt(deps, user, caller.network))
    const left = isSpared ? await countIn(deps, target, factor, caller.network, adds) : usedUp
    return left && { limit: 'second_factor', ...left }
  })
  return {
    guard,
    async fail(answer) {
      deps.record({ event: 'factor.refused', user_id: user.id, session_id: sessionId, factor }, caller)
      const refused = await fail(answer) // first: a right code that was sent after many wrong ones, at once, is to find them counted
      await tellOwner(deps, user, caller)
      return refused
    },
  }
}

/** What proves by a key of its own cannot be guessed: it is recorded, and nothing is counted. */
export function uncounted(deps: Deps, { user, sessionId }: Target, caller: Caller): Guesses {
  return {
    guard: async () => {},
    async fail(answer) {
      deps.record({ event: 'factor.refused', user_id: user.id, session_id: sessionId, factor: 'passkey' }, caller)
      return answer
    },
  }
}

async function countIn({ store, config }: Deps, { user }: Target, factor: Factor, network: string, adds: boolean) {
  const counter = { key: counters.wrongFactors(user.id, factor, network), ...config.LIMIT_SECOND_FACTOR }
  return store.count({ counters: [counter], adds })
}

/** Mails the owner at the fifth wrong code, once in the window of the limit. */
async function tellOwner(deps: Deps, user: User, caller: Caller): Promise<void> {
  const { windowMs } = deps.config.LIMIT_SECOND_FACTOR
  const count = async (key: ReturnType<typeof counters.factorAlarm>, most: number) =>
    (await deps.store.count({ counters: [{ key, count: most, windowMs }], adds: true })) !== null
  if (!(await count(counters.factorAlarm(user.id), SLIPS))) return
  if (await count(counters.factorAlarmSent(user.id), 1)) return
  const mails = notice(deps, user, 'factor-refused', caller)
  await carryOut(deps, { checks: [], puts: [], deletes: [], events: [], mails }, caller)
}
