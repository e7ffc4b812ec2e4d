import type { Deps } from '../../deps.ts'
import { sessionOf } from '../../domain/access-token.ts'
import { type RefreshClaim, unsealRefreshToken } from '../../domain/refresh-token.ts'
import type { SessionName, Transport } from '../../domain/session.ts'
import type { NamingToken } from './verify.ts'

/** What a client shows that names a session of ours: a refresh token by its seal, or an access token by its signature, however old it is and whoever it was for. */
export type Presented =
  | { readonly kind: 'refresh'; readonly claim: RefreshClaim }
  | ({ readonly kind: 'access' } & NamingToken)

export type PresentedRefreshToken = Extract<Presented, { kind: 'refresh' }>

/** The refresh token in the text, if it is ours and came by its own way. Costs no I/O. */
export function readRefreshToken({ authKeys }: Deps, text: string, by: Transport): PresentedRefreshToken | null {
  const claim = unsealRefreshToken(authKeys, text)
  return claim?.transport === by ? { kind: 'refresh', claim } : null
}

/** Whose session it names. */
export function sessionNamedBy(presented: Presented): SessionName {
  return presented.kind === 'refresh' ? presented.claim : sessionOf(presented.token.claims)
}
