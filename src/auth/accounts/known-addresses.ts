import type { Deps } from '../../deps.ts'
import { networksOf } from '../../domain/address.ts'
import type { Caller } from '../../domain/caller.ts'
import type { KnownAddress, User } from '../../domain/user.ts'
import { liveSessions } from '../sessions/read.ts'

// Addresses that an account is known from: strangers' failures elsewhere do not lock its owner out there.

const ADDRESSES_KEPT = 20
/** For how long an address the owner has used is spared the account's limit. */
const ADDRESS_KNOWN_MS = 30 * 86_400_000

/** Whether the owner of the account has lately registered or logged in from this address. */
export function isKnownAddress({ clock }: Deps, user: User | null, network: string): boolean {
  const known = user?.knownAddresses.find(({ address }) => address === network)
  return known !== undefined && clock() - known.seenAt < ADDRESS_KNOWN_MS
}

/** The addresses once the owner has been seen at the caller's, too. */
export function knowing({ clock }: Deps, known: readonly KnownAddress[], { network }: Caller): readonly KnownAddress[] {
  const others = known.filter(({ address }) => address !== network)
  return [...others, { address: network, seenAt: clock() }].slice(-ADDRESSES_KEPT)
}

/** Whether a live session of the account is at this address. Reads as much whether or not there is an account. */
export async function hasSessionAt(deps: Deps, user: User | null, network: string): Promise<boolean> {
  const { id, sessions } = user ?? { id: 'nobody', sessions: [] }
  const count = Math.max(sessions.length, deps.config.SESSION_MAX)
  const padded = Array.from({ length: count }, (_, place) => sessions[place] ?? `none-${place}`)
  const live = await liveSessions(deps, { id, sessions: padded })
  return live.some(({ ip }) => networksOf(ip)[0].name === network)
}
