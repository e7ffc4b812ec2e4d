import { type Life, lifeOf } from './access-token.ts'
import { type Client, isClientId } from './client.ts'

// The access token of a client that acts for itself: of nobody's session, RFC 9068 section 2.2.

/** The claims of such a token, and no others. Times are seconds since the epoch. */
export interface MachineClaims {
  readonly iss: string
  /** One audience, or several. */
  readonly aud: string | readonly string[]
  /** The client, twice. */
  readonly sub: string
  readonly client_id: string
  readonly iat: number
  readonly exp: number
  readonly jti: string
  /** The client's generation when the token was issued: below the generation of now the token is dead. */
  readonly gen: number
  /** What the client may do, parted by spaces; absent: nothing in particular. */
  readonly scope?: string
}

/** What a client asks for: a scope (absent: all that it may have), and the resources that the token is for (none: all). */
export interface MachineWish {
  readonly scope?: string | undefined
  readonly resources: readonly string[]
}

/** What a client is granted, or which of its wishes is too much: it is granted all that it asks for, or nothing. */
export type Granted =
  | { readonly kind: 'granted'; readonly scopes: readonly string[]; readonly audiences: readonly string[] }
  | { readonly kind: 'invalid_scope' }
  | { readonly kind: 'invalid_target' }

/** Decides what a client is granted, RFC 6749 section 3.3 and RFC 8707 section 2. */
export function grant(client: Pick<Client, 'scopes' | 'audiences'>, { scope, resources }: MachineWish): Granted {
  const scopes = scope === undefined ? client.scopes : [...new Set(scope.split(' '))]
  const audiences = resources.length === 0 ? client.audiences : [...new Set(resources)]
  if (!scopes.every((each) => client.scopes.includes(each))) return { kind: 'invalid_scope' }
  if (!audiences.every((each) => client.audiences.includes(each))) return { kind: 'invalid_target' }
  return { kind: 'granted', scopes, audiences }
}

/** Makes the claims of a token for what the client was granted. */
export function makeMachineClaims(
  iss: string,
  { id, generation }: Pick<Client, 'id' | 'generation'>,
  { scopes, audiences }: Pick<Client, 'scopes' | 'audiences'>,
  life: Life,
): MachineClaims {
  const [first = '', ...others] = audiences
  return {
    iss,
    aud: others.length === 0 ? first : audiences,
    sub: id,
    client_id: id,
    ...lifeOf(life),
    gen: generation,
    ...(scopes.length > 0 ? { scope: scopes.join(' ') } : {}),
  }
}

const TEXTS = ['iss', 'sub', 'client_id', 'jti'] as const
const NUMBERS = ['iat', 'exp', 'gen'] as const

/** Reads the payload of a token whose signature has been checked; null: it is not of a client that acts for itself. */
export function readMachineClaims(payload: unknown): MachineClaims | null {
  if (typeof payload !== 'object' || payload === null) return null
  const claims = payload as Record<string, unknown>
  if (!TEXTS.every((name) => typeof claims[name] === 'string')) return null
  if (!NUMBERS.every((name) => Number.isSafeInteger(claims[name]))) return null
  const { sub, client_id, aud, scope = '' } = claims
  const isOwn = sub === client_id && isClientId(sub as string) && !('sid' in claims) && !('nbf' in claims)
  return isOwn && isAudience(aud) && typeof scope === 'string' ? (claims as unknown as MachineClaims) : null
}

function isAudience(aud: unknown): boolean {
  return typeof aud === 'string' || (Array.isArray(aud) && aud.every((each) => typeof each === 'string'))
}

/** Whether a token of this audience is for `audience`, RFC 7519 section 4.1.3. */
export function isMeantFor(aud: string | readonly string[], audience: string): boolean {
  return typeof aud === 'string' ? aud === audience : aud.includes(audience)
}
