import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Access } from './access.ts'
import { admitBy } from './admit.ts'
import type { Requirements, Verifier } from './index.ts'
import { authorizationOf, send } from './node-http.ts'

export { createVerifier } from './index.ts'

declare global {
  // oxlint-disable-next-line typescript/no-namespace: how Express lets a request be extended
  namespace Express {
    interface Request {
      /** Whom `requireToken` has let in. */
      access: Access
    }
  }
}

/**
 * Makes a middleware of Express: a request without a token that meets the requirements is answered 401, 403 or 503 and goes no further;
 * else `request.access` says whom it lets in.
 */
export function requireToken(verifier: Verifier, requirements: Requirements = {}) {
  const admit = admitBy(verifier, requirements)
  return async (
    request: IncomingMessage & { access?: Access },
    response: ServerResponse,
    next: (error?: unknown) => void,
  ): Promise<void> => {
    const admission = await admit(authorizationOf(request))
    if ('answer' in admission) return send(response, admission.answer)
    request.access = admission.access
    next()
  }
}
