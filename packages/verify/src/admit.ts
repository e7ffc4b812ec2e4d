import type { Access } from './access.ts'
import { type Answer, answerTo } from './answer.ts'
import { Refused, Unknown } from './errors.ts'
import { checkRequirements, type Requirements, type Verifier, type WithHeaders } from './index.ts'

/** Whom a request lets in, or what to answer. */
export type Admission = { readonly access: Access } | { readonly answer: Answer }

/**
 * Makes what verifies the token of a request. Throws TypeError for a requirement unheard of. Other errors than the verifier's own are
 * thrown on.
 */
export function admitBy(verifier: Verifier, requirements: Requirements): (request: WithHeaders) => Promise<Admission> {
  checkRequirements(requirements)
  return async (request) => {
    try {
      return { access: await verifier.verify(request, requirements) }
    } catch (error) {
      if (error instanceof Refused || error instanceof Unknown) return { answer: answerTo(error) }
      throw error
    }
  }
}
