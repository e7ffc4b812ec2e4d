import type { Access } from './access.ts'
import { type Answer, answerTo } from './answer.ts'
import { Refused, Unknown } from './errors.ts'
import type { Requirements, Verifier, WithHeaders } from './index.ts'

/** Whom a request lets in, or what to answer. */
export type Admission = { readonly access: Access } | { readonly answer: Answer }

/** Verifies the token of a request. Other errors than the verifier's own are thrown on. */
export async function admit(verifier: Verifier, request: WithHeaders, requirements: Requirements): Promise<Admission> {
  try {
    return { access: await verifier.verify(request, requirements) }
  } catch (error) {
    if (error instanceof Refused || error instanceof Unknown) return { answer: answerTo(error) }
    throw error
  }
}
