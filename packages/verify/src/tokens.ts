import { compactVerify, decodeProtectedHeader, errors } from 'jose'
import { type Access, readAccess } from './access.ts'
import { Unknown } from './errors.ts'
import type { Key } from './jwks.ts'
import type { Keys } from './keys.ts'

/** Reads access tokens: what of them never changes. Time, audience and revocation are checked elsewhere, at each request. */
export interface Tokens {
  /** Whom a key of the issuer lets in by this text; null: it is no token of the issuer's. Throws Unknown where nobody can know. */
  readonly read: (text: string) => Promise<Access | null>
  /** How many are remembered. */
  readonly size: () => number
  readonly clear: () => void
}

/** A token that was read, and the key that has signed it: as long as the issuer publishes that, its signature is good. */
interface Met {
  readonly access: Access
  readonly kid: string
  readonly key: Key
}

const CACHED_TOKENS = 10_000
const MAX_TOKEN_LENGTH = 8192
/** Three base64url parts without padding, RFC 7515 section 7.1. */
const COMPACT_JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/
/** A header with other members (jwk, jku, crit, b64, …) is none of Latchkey's. */
const HEADER_MEMBERS = 'alg,kid,typ'
/** RFC 9068 section 2.1. */
const TYP = /^(?:application\/)?at\+jwt$/i

/** Makes a reader that remembers tokens by their text: the oldest are forgotten first. */
export function makeTokens(keys: Keys): Tokens {
  const met = new Map<string, Met>()

  async function recall(text: string): Promise<Access | null> {
    const known = met.get(text)
    return known !== undefined && (await keys.find(known.kid)) === known.key ? known.access : null
  }

  async function meet(text: string): Promise<Access | null> {
    const kid = readKid(text)
    const key = kid === null ? undefined : await keys.find(kid)
    if (kid === null || key === undefined) return null
    const access = readAccess(await readPayload(text, key))
    if (access !== null) remember(text, { access, kid, key })
    return access
  }

  function remember(text: string, token: Met): void {
    met.delete(text)
    if (met.size >= CACHED_TOKENS) met.delete(met.keys().next().value as string)
    met.set(text, token)
  }

  return {
    read: async (text) => (await recall(text)) ?? (await meet(text)),
    size: () => met.size,
    clear: () => met.clear(),
  }
}

/** The name of the key that has signed a text, if it could be an access token of Latchkey's; null: it cannot. */
function readKid(text: string): string | null {
  if (text.length > MAX_TOKEN_LENGTH || !COMPACT_JWS.test(text)) return null
  const header = unlessFaulty(() => decodeProtectedHeader(text) as Record<string, unknown>) ?? {}
  const { kid, typ } = header
  const isOurs = Object.keys(header).toSorted().join() === HEADER_MEMBERS && typeof typ === 'string' && TYP.test(typ)
  return isOurs && typeof kid === 'string' ? kid : null
}

/** The payload if the key has signed it, else null. */
async function readPayload(text: string, key: Key): Promise<unknown> {
  try {
    const { payload } = await compactVerify(text, await key.open(), { algorithms: [key.alg] })
    return unlessFaulty(() => JSON.parse(UTF_8.decode(payload)) as unknown)
  } catch (cause) {
    if (cause instanceof errors.JOSEError) return null
    throw new Unknown('a key of the issuer cannot be used', { cause })
  }
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true })

function unlessFaulty<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null
  }
}
