import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Access } from './access.ts'
import { admitBy } from './admit.ts'
import type { Requirements, Verifier } from './index.ts'
import { authorizationOf } from './node-http.ts'

export { createVerifier } from './index.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Whom `requireToken` has let in. */
    access: Access
  }
}

/**
 * Makes a hook of Fastify (`onRequest`): a request without a token that meets the requirements is answered 401, 403 or 503 and goes no
 * further; else `request.access` says whom it lets in.
 */
export function requireToken(verifier: Verifier, requirements: Requirements = {}) {
  const admit = admitBy(verifier, requirements)
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const admission = await admit(authorizationOf(request.raw))
    if ('answer' in admission) {
      const { status, headers, body } = admission.answer
      return reply.code(status).headers(headers).send(body)
    }
    request.access = admission.access
    return undefined
  }
}
