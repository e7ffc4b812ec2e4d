import fastifyJwt from '@fastify/jwt'
import type { FastifyRequest } from 'fastify'
import { atMostEvery } from '../../auth/at-most-every.ts'
import { findRetiredKey } from '../../auth/keys/signing-ring.ts'
import type { Deps } from '../../deps.ts'
import { type AccessClaims, isCompactJws, readClaims } from '../../domain/access-token.ts'
import { ALGORITHMS } from '../../domain/signing-keys.ts'
import { StoreUnavailable } from '../../store/store.ts'
import { Problem } from '../problems.ts'
import type { App } from '../typed-app.ts'

/** Who signed a token. Both resolve to its claims, of whatever age, issuer, audience or client; null: no key of ours. */
export interface Signatures {
  /** By the keys in force, RFC 7515 section 5.2: of the token that `extractToken` finds in the request. */
  readonly bySigningKey: (request: FastifyRequest) => Promise<AccessClaims | null>
  /** By the keys that have left the ring. Costs a read. */
  readonly byRetiredKey: (text: string) => Promise<AccessClaims | null>
}

const HEADER_MEMBERS = new Set(['alg', 'typ', 'kid'])
/** How often at most a key that is not known is looked for in the store. */
const LOOK_MS = 50

type Header = Record<string, unknown>

/** The library checks form, algorithm, type and signature; time and revocation are judged at each request, by us. */
export async function makeSignatures(
  app: App,
  { keyring, store }: Deps,
  extractToken: (request: FastifyRequest) => string,
): Promise<Signatures> {
  await app.register(fastifyJwt, {
    secret: keyFinder(keyring),
    decode: { complete: true },
    verify: { algorithms: [...ALGORITHMS], checkTyp: 'at+jwt', ignoreExpiration: true, extractToken, cache: false },
  } as Parameters<typeof fastifyJwt>[1])

  return {
    async bySigningKey(request) {
      const identity = keyring.identity()
      if (identity === null) throw new StoreUnavailable('the signing keys are not loaded yet')
      const payload: unknown = await request.jwtVerify().catch(unlessUnavailable)
      if (identity !== keyring.identity()) throw new StoreUnavailable('the store has been replaced')
      return readClaims(payload)
    },
    async byRetiredKey(text) {
      const header = readHeader(app, text)
      const key = header && (await findRetiredKey(store, header['kid']))
      if (!key || key.alg !== header['alg']) return null
      return readClaims(attempt(() => app.jwt.verify(text, { key: key.publicPem, algorithms: [key.alg] } as object)))
    },
  }
}

/** Finds the key a token names, of any of our algorithms: while JWT_ALG changes, instances of both settings accept each other's tokens. */
function keyFinder(keyring: Deps['keyring']) {
  const lookAgain = atMostEvery(LOOK_MS, keyring.reload)
  return async (_request: FastifyRequest, { header }: { header: Header }): Promise<string> => {
    const find = () => keyring.find(header['kid'])
    const key = find() ?? (await lookAgain().then(find)) // another instance may have made it just now
    if (key === undefined || key.alg !== header['alg'] || !isOurs(header)) throw new Problem('token_invalid')
    return key.publicPem
  }
}

/** The header of a token that could be one of ours. */
function readHeader(app: App, text: string): Header | null {
  if (!isCompactJws(text)) return null
  const decoded = attempt(() => app.jwt.decode<{ header: Header }>(text, { complete: true }))
  return decoded && isOurs(decoded.header) ? decoded.header : null
}

/** A header that says anything more than our own do (jwk, jku, crit, b64, …) is none of ours. */
function isOurs(header: Header): boolean {
  return Object.keys(header).every((name) => HEADER_MEMBERS.has(name))
}

/** Null where the library finds a fault with the token. */
function attempt<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null
  }
}

function unlessUnavailable(error: unknown): null {
  if (error instanceof StoreUnavailable) throw error
  return null
}
