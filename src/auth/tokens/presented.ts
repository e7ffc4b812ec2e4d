import type { Deps } from '../../deps.ts'
import { sessionOf } from '../../domain/access-token.ts'
import { type RefreshClaim, unsealRefreshToken } from '../../domain/refresh-token.ts'
import type { SessionName, Transport } from '../../domain/session.ts'
import type { NamingToken } from './verify.ts'

/**
 * A token that a client shows, and that names a session of ours: a refresh token with our seal, or an access token with our
 * signature, of any age and audience.
 */
export type Presented =
  | { readonly kind: 'refresh'; readonly claim: RefreshClaim }
  | ({ readonly kind: 'access' } & NamingToken)

/** A refresh token that a client shows. */
export type PresentedRefreshToken = Extract<Presented, { kind: 'refresh' }>

/** Reads a refresh token that came `by` the body or the cookie; null: it is not ours, or its transport is the other. No I/O. */
export function readRefreshToken({ authKeys }: Deps, text: string, by: Transport): PresentedRefreshToken | null {
  const claim = unsealRefreshToken(authKeys, text)
  return claim?.transport === by ? { kind: 'refresh', claim } : null
}

/** Names the session that the token belongs to. */
export function sessionNamedBy(presented: Presented): SessionName {
  return presented.kind === 'refresh' ? presented.claim : sessionOf(presented.token.claims)
}
