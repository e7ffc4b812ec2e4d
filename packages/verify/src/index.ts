import { type Access, isExpired, isFor } from './access.ts'
import { bearerText } from './bearer.ts'
import { type Demand, refusalOf } from './demand.ts'
import { Refused, Unknown } from './errors.ts'
import { makeKeyFetches } from './key-fetches.ts'
import { type KeysStatus, makeKeys } from './keys.ts'
import { makeQuestions } from './questions.ts'
import { makeRequests } from './requests.ts'
import { makeTokens } from './tokens.ts'

export type { Access, Claims } from './access.ts'
export type { Demand } from './demand.ts'
export { type RefusalCode, Refused, Unknown } from './errors.ts'

/**
 * How much a verification knows. `signature`: no request to Latchkey; a revoked token is accepted until it expires. `strict`: Latchkey is
 * asked at each request; a revoked token is accepted no more.
 */
export type Freshness = 'signature' | 'strict'

/** How to make a verifier. */
export interface VerifierOptions {
  /** ISSUER of the service. */
  readonly issuer: string
  /** AUDIENCE of the service: by default its ISSUER. */
  readonly audience: string
  readonly freshness: Freshness
  /** Where the service is reached; the issuer unless told. */
  readonly baseUrl?: string
  /** The platform's own unless told. */
  readonly fetch?: typeof globalThis.fetch
  /** The time in ms since the epoch; `Date.now` unless told. */
  readonly clock?: () => number
}

/** What is demanded of a request. */
export interface Requirements extends Demand {
  /** Another than the verifier's own. */
  readonly freshness?: Freshness
}

/** What a verifier knows now, and what it is at. */
export interface VerifierStatus extends KeysStatus {
  /** How many questions to the service are under way. */
  readonly questions: number
  /** How many tokens are remembered. */
  readonly tokens: number
}

/** Anything with the headers of a request, as a `Request` has. */
export interface WithHeaders {
  readonly headers: { readonly get: (name: string) => string | null }
}

/** Verifies the access tokens of one Latchkey, for one audience. */
export interface Verifier {
  /**
   * Whom the token lets in: a token, or a request with one in Authorization. Rejects with Refused if it lets nobody in or does not
   * meet the requirements, with Unknown if nobody can know.
   */
  readonly verify: (presented: string | WithHeaders, requirements?: Requirements) => Promise<Access>
  /** Resolves when the keys of the issuer are known; rejects with Unknown if they cannot be fetched. */
  readonly ready: () => Promise<void>
  readonly status: () => VerifierStatus
  /** Breaks off what is under way; from then on it knows nothing. */
  readonly close: () => void
}

/** Makes a verifier. Throws TypeError where an option is missing or unheard of. */
export function createVerifier(options: VerifierOptions): Verifier {
  const { issuer, audience, baseUrl = issuer, clock = Date.now } = options
  if (!issuer || !audience) throw new TypeError('issuer and audience are needed')
  const ownFreshness = knownFreshness(options.freshness)
  const base = new URL(baseUrl).href.replace(/\/$/, '')
  const requests = makeRequests(options.fetch ?? ((...request) => globalThis.fetch(...request)))
  const keys = makeKeys(makeKeyFetches(`${base}/.well-known/jwks.json`, requests, clock), clock)
  const tokens = makeTokens(keys)
  const questions = makeQuestions(`${base}/v1/verify`, requests)
  let isClosed = false

  async function verify(presented: string | WithHeaders, requirements: Requirements = {}): Promise<Access> {
    checkRequirements(requirements)
    const { freshness = ownFreshness } = requirements
    const text = typeof presented === 'string' ? presented : bearerText(presented.headers.get('authorization'))
    if (isClosed) throw new Unknown('the verifier is closed')
    const access = await tokens.read(text)
    if (access === null || !isFor(access, issuer, audience)) throw new Refused('token_invalid')
    if (isExpired(access, clock())) throw new Refused('token_expired')
    if (freshness === 'strict') await questions.ask(text, access.sub)
    const refusal = refusalOf(access, requirements, clock())
    if (refusal !== null) throw refusal
    return access
  }

  return {
    verify,
    ready: keys.load,
    status: () => ({ ...keys.status(), questions: questions.underWay(), tokens: tokens.size() }),
    close() {
      isClosed = true
      requests.close()
      tokens.clear()
    },
  }
}

const REQUIREMENTS: readonly string[] = [
  'roles',
  'scope',
  'acr',
  'maxAge',
  'freshness',
] satisfies (keyof Requirements)[]

/** Throws TypeError where a requirement is unheard of: a typing mistake must not make a service less strict. */
export function checkRequirements(requirements: Requirements): void {
  const unheard = Object.keys(requirements).filter((name) => !REQUIREMENTS.includes(name))
  if (unheard.length > 0) throw new TypeError(`there is no requirement ${unheard.join(', ')}`)
  if (requirements.freshness !== undefined) knownFreshness(requirements.freshness)
}

function knownFreshness(freshness: Freshness): Freshness {
  if (freshness !== 'signature' && freshness !== 'strict') throw new TypeError("freshness is 'signature' or 'strict'")
  return freshness
}
