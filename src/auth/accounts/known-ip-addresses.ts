import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { networksOf } from '../../domain/ip-address.ts'
import type { KnownAddress, User } from '../../domain/user.ts'
import { readLiveSessions } from '../sessions/read.ts'

// The addresses that the owner of an account is known to use: there the failed logins of strangers do not lock the owner out.

const ADDRESSES_KEPT = 20
/** For how many ms the account's limit does not count at an address that its owner has used. */
const ADDRESS_KNOWN_MS = 30 * 86_400_000

/** Whether the owner of the account has registered or logged in from this network in the last 30 days. */
export function isKnownAddress({ clock }: Deps, user: User | null, network: string): boolean {
  const known = user?.knownAddresses.find(({ address }) => address === network)
  return known !== undefined && clock() - known.seenAt < ADDRESS_KNOWN_MS
}

/** The known addresses with the caller's network as the latest; the oldest beyond ADDRESSES_KEPT go. */
export function addKnownAddress(
  { clock }: Deps,
  known: readonly KnownAddress[],
  { network }: Caller,
): readonly KnownAddress[] {
  const others = known.filter(({ address }) => address !== network)
  return [...others, { address: network, seenAt: clock() }].slice(-ADDRESSES_KEPT)
}

/**
 * Whether a live session of the account was last used from this network. Reads as many keys if there is no account, so that the
 * time tells nothing.
 */
export async function hasSessionAt(deps: Deps, user: User | null, network: string): Promise<boolean> {
  const { id, sessions } = user ?? { id: 'nobody', sessions: [] }
  const count = Math.max(sessions.length, deps.config.SESSION_MAX)
  const padded = Array.from({ length: count }, (_, place) => sessions[place] ?? `none-${place}`)
  const live = await readLiveSessions(deps, { id, sessions: padded })
  return live.some(({ ip }) => networksOf(ip)[0].name === network)
}
