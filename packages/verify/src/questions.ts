import { Refused, type RefusalCode, Unknown } from './errors.ts'
import type { Reply, Requests } from './requests.ts'

/** Asks the service whether tokens are alive. */
export interface Questions {
  /**
   * Resolves if the service says that this token of `sub` is alive, now or at any time since the call. Rejects with Refused if
   * it says that it is not, with Unknown if it does not say.
   */
  readonly ask: (text: string, sub: string) => Promise<void>
  /** How many are under way. */
  readonly underWay: () => number
}

const ANSWER_WITHIN_MS = 300
const AT_ONCE = 256

/** What the service can say of a token that was shown to it, by status; `no_token` would mean that somebody took it away. */
const SAYINGS: Readonly<Record<number, readonly RefusalCode[]>> = {
  401: ['token_invalid', 'token_expired', 'token_revoked'],
  403: ['insufficient', 'step_up_required'],
}

/** What `step_up_required` wants there, by SECOND_FACTOR=required. */
const SECOND_FACTOR = { acr_values: 'aal2' }

/** Asks `GET` of this URL. Those who ask about the same token before it is sent share one question. */
export function makeQuestions(url: string, { get }: Requests): Questions {
  const unsent = new Map<string, Promise<void>>()
  let underWay = 0

  async function send(text: string, sub: string): Promise<void> {
    await nextTurn()
    unsent.delete(text) // from here on the answer may be older than a revocation
    judge(await get(url, { withinMs: ANSWER_WITHIN_MS, headers: { authorization: `Bearer ${text}` } }), sub)
  }

  async function ask(text: string, sub: string): Promise<void> {
    const shared = unsent.get(text)
    if (shared !== undefined) return shared
    if (underWay >= AT_ONCE) throw new Unknown(`${AT_ONCE} questions are under way`)
    underWay += 1
    const question = send(text, sub).finally(() => (underWay -= 1))
    unsent.set(text, question)
    return question
  }

  return { ask, underWay: () => underWay }
}

/** Throws unless the reply says that the token of `sub` is alive. Whatever the service does not say itself means nothing. */
function judge(reply: Reply, sub: string): void {
  const { status, headers } = reply
  if (status === 204 && headers.get('x-auth-subject') === sub) return
  const code = SAYINGS[status]?.find((each) => each === codeOf(reply))
  if (code !== undefined) throw new Refused(code, code === 'step_up_required' ? SECOND_FACTOR : {})
  throw new Unknown(`the service answers ${status}`, { retryAfter: secondsOf(headers.get('retry-after')) })
}

/** The code of a problem document, RFC 9457. */
function codeOf({ headers, text }: Reply): unknown {
  if (!/^application\/problem\+json\b/i.test(headers.get('content-type') ?? '')) return undefined
  try {
    return (JSON.parse(text) as { code?: unknown } | null)?.code
  } catch {
    return undefined
  }
}

/** The seconds of Retry-After, at least one and at most a minute. */
function secondsOf(retryAfter: string | null): number {
  const seconds = /^\d+$/.test(retryAfter ?? '') ? Number(retryAfter) : 1
  return Math.min(Math.max(seconds, 1), 60)
}

/** The end of this turn of the event loop, where there are turns. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve)
    else setTimeout(resolve, 0)
  })
}
