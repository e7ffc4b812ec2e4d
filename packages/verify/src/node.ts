import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Access } from './access.ts'
import { admitBy } from './admit.ts'
import type { Requirements, Verifier } from './index.ts'
import { authorizationOf, send } from './node-http.ts'

export { createVerifier } from './index.ts'

/** Answers a request of somebody who was let in. */
export type Handler = (request: IncomingMessage, response: ServerResponse, access: Access) => void | Promise<void>

/**
 * Guards a listener of node:http: a request without a token that meets the requirements is answered 401, 403 or 503 and does not reach
 * the handler.
 */
export function requireToken(verifier: Verifier, requirements: Requirements = {}) {
  const admit = admitBy(verifier, requirements)
  return (handler: Handler) => (request: IncomingMessage, response: ServerResponse) =>
    void guard(request, response, handler)

  async function guard(request: IncomingMessage, response: ServerResponse, handler: Handler): Promise<void> {
    const admission = await admit(authorizationOf(request))
    if ('access' in admission) await handler(request, response, admission.access)
    else send(response, admission.answer)
  }
}
