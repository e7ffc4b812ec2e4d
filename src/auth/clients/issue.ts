import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { newId } from '../../domain/id.ts'
import { grant, type Granted, type MachineWish, makeMachineClaims } from '../../domain/machine-token.ts'
import type { AuthenticatedClient } from './authenticate.ts'

/** A token of a client that acts for itself. `expiresIn` is seconds; `scope` is empty if the token says none. */
export interface MachineTokens {
  readonly kind: 'issued'
  readonly accessToken: string
  readonly expiresIn: number
  readonly scope: string
}

/**
 * Issues an access token to a client that acts for itself, RFC 6749 section 4.4. It is no more than the client may have. Writes
 * nothing: what is done to the client meanwhile finds the generation in the token.
 */
export function issueMachineToken(
  deps: Deps,
  { client, secret, identity }: AuthenticatedClient,
  wish: MachineWish,
  caller: Caller,
): MachineTokens | Exclude<Granted, { kind: 'granted' }> {
  const { config, clock, keyring, record } = deps
  const granted = grant(client, wish)
  if (granted.kind !== 'granted') return granted
  const life = { now: clock(), ttlMs: config.ACCESS_TTL, spread: Math.random(), jti: newId() }
  const claims = makeMachineClaims(config.ISSUER, client, granted, life)
  const accessToken = keyring.sign(claims, identity)
  record({ event: 'client.token_issued', client_id: client.id, secret_id: secret.id }, caller)
  return { kind: 'issued', accessToken, expiresIn: claims.exp - claims.iat, scope: claims.scope ?? '' }
}
