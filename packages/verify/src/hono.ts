import type { MiddlewareHandler } from 'hono'
import type { Access } from './access.ts'
import { admitBy } from './admit.ts'
import type { Requirements, Verifier } from './index.ts'

export { createVerifier } from './index.ts'

/** What `requireToken` sets. */
export type Variables = { readonly access: Access }

/**
 * Makes a middleware of Hono: a request without a token that meets the requirements is answered 401, 403 or 503 and goes no further; else
 * `c.get('access')` says whom it lets in.
 */
export function requireToken(
  verifier: Verifier,
  requirements: Requirements = {},
): MiddlewareHandler<{ Variables: Variables }> {
  const admit = admitBy(verifier, requirements)
  return async (c, next) => {
    const admission = await admit(c.req.raw)
    if ('answer' in admission) {
      const { status, headers, body } = admission.answer
      return new Response(body, { status, headers })
    }
    c.set('access', admission.access)
    return next()
  }
}
