import type { Access } from './access.ts'
import { admitBy } from './admit.ts'
import type { Requirements, Verifier } from './index.ts'

export { createVerifier } from './index.ts'

/** Answers a request of somebody who was let in; `more` is whatever else the platform hands over. */
export type Handler<More extends unknown[]> = (
  request: Request,
  access: Access,
  ...more: More
) => Response | Promise<Response>

/**
 * Guards a handler of fetch requests (Deno, Bun, workers, …): a request without a token that meets the requirements is answered 401, 403 or
 * 503 and does not reach it.
 */
export function requireToken(verifier: Verifier, requirements: Requirements = {}) {
  const admit = admitBy(verifier, requirements)
  return <More extends unknown[]>(handler: Handler<More>) =>
    async (request: Request, ...more: More): Promise<Response> => {
      const admission = await admit(request)
      if ('access' in admission) return handler(request, admission.access, ...more)
      const { status, headers, body } = admission.answer
      return new Response(body, { status, headers })
    }
}
