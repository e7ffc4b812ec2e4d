import { type Refused, Unknown } from './errors.ts'

/** What a service answers where it lets nobody in. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** A problem document, RFC 9457, as Latchkey's own. */
  readonly body: string
}

/** Makes the answer: 401 or 403 with its challenge, or 503 with Retry-After. */
export function answerTo(refusal: Refused | Unknown): Answer {
  const { status } = refusal
  const [code, title] =
    refusal instanceof Unknown
      ? ['store_unavailable', 'The service cannot know right now: try again.']
      : [refusal.code, refusal.message]
  const said =
    refusal instanceof Unknown ? { 'retry-after': `${refusal.retryAfter}` } : { 'www-authenticate': refusal.challenge }
  return {
    status,
    headers: { ...said, 'content-type': 'application/problem+json', 'cache-control': 'no-store' },
    body: JSON.stringify({ type: `urn:problem-type:latchkey:${code}`, title, status, code }),
  }
}
