import { createHash } from 'node:crypto'
import { userInfo } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import type { Config } from '../../config/environment.ts'
import { Refusal } from '../../process/refusal.ts'

/** A request to the operator's listener. */
export interface Ask {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  readonly path: string
  readonly body?: string
  /** application/json unless it says otherwise. */
  readonly type?: string
}

/** A service, and as whom it is asked: a digest of the key. */
export interface Place {
  readonly url: string
  readonly key: string
}

/** What asks the operator's listener. */
export interface Client {
  readonly place: Place
  /** Resolves to the body of a 2xx. Throws NotNow, NotThere, or another Refusal with the problem in words. */
  readonly ask: (asked: Ask) => Promise<string>
}

/** The service says that there is nothing at the path. */
export class NotThere extends Refusal {}

/** The service cannot be asked now, or has not answered whole: whether it has done anything is not known. */
export class NotNow extends Refusal {
  readonly waitMs: number

  constructor(message: string, waitMs = 1000) {
    super(message)
    this.waitMs = waitMs
  }
}

/** The service cuts an answer off after 75 s. */
const ANSWER_MS = 80_000

/** Makes the client of the service that ADMIN_URL names. Throws Refusal without a key. */
export function openClient({ ADMIN_URL, ADMIN_PORT, ADMIN_KEY }: Config): Client {
  const url = ADMIN_URL ?? (ADMIN_PORT === undefined ? undefined : `http://127.0.0.1:${ADMIN_PORT}`)
  if (url === undefined) throw new Refusal('Set ADMIN_URL to the address of the listener, like http://127.0.0.1:9300.')
  if (ADMIN_KEY === undefined)
    throw new Refusal('Set ADMIN_KEY to one of the keys in ADMIN_KEYS, without its name; or ADMIN_KEY_FILE to a file.')
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, ...actor() }

  async function send({ method, path, body, type = 'application/json' }: Ask): Promise<[Response, string]> {
    const own = body === undefined ? { headers } : { headers: { ...headers, 'content-type': type }, body }
    const signal = AbortSignal.timeout(ANSWER_MS)
    const notNow = (what: string) => (error: Error) => {
      throw new NotNow(`${url} ${what}: ${causeOf(error)}`)
    }
    const answer = await fetch(url + path, { method, redirect: 'error', signal, ...own }).catch(
      notNow('does not answer'),
    )
    return [answer, await answer.text().catch(notNow('has not answered whole'))]
  }

  return {
    place: { url, key: createHash('sha256').update(ADMIN_KEY).digest('base64url') },
    async ask(asked) {
      const [answer, text] = await send(asked)
      if (answer.ok) return text
      const problem = problemIn(text)
      const message = problem ?? `${url} answers ${answer.status}, and is no Latchkey.`
      if (answer.status === 404 && problem !== null) throw new NotThere(message)
      if (answer.status !== 503 && answer.status !== 429) throw new Refusal(message)
      throw new NotNow(message, (Number(answer.headers.get('retry-after')) || 1) * 1000)
    },
  }
}

/** For how many ms an order waits for a service that is not there: one that takes long lives through a restart of it. */
export const PATIENCE_MS = { short: 10_000, long: 300_000 }

/** Does the work, again while the service cannot; after `patienceMs` throws Refusal. `onWait` hears why. */
export async function insist<T>(
  work: () => Promise<T>,
  patienceMs: number,
  onWait = (_reason: string): void => {},
): Promise<T> {
  const giveUpAt = performance.now() + patienceMs
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof NotNow)) throw error
      if (performance.now() + error.waitMs > giveUpAt) throw new Refusal(error.message)
      onWait(error.message)
      await wait(error.waitMs)
    }
  }
}

/** Who sits at this machine, for the log of the service. */
function actor(): Record<string, string> {
  try {
    const { username } = userInfo()
    return /^[\x21-\x7e]+$/.test(username) ? { 'x-actor': username } : {}
  } catch {
    return {} // a user without a name
  }
}

function causeOf({ message, cause }: Error): string {
  const { code = '' } = (cause ?? {}) as { code?: string }
  return code || message
}

interface ProblemText {
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail?: string
  readonly errors?: readonly { readonly path?: string; readonly rule?: string; readonly message: string }[]
}

/** The problem of an answer in words; null: the answer is no problem of ours. */
function problemIn(text: string): string | null {
  try {
    const { title, status, code, detail = '', errors = [] } = JSON.parse(text) as ProblemText
    if (typeof title !== 'string' || typeof code !== 'string') return null
    const faults = errors.map(({ path, rule, message }) => ` ${path ?? rule ?? ''}: ${message.replace(/\.$/, '')}.`)
    const said = code === 'token_invalid' ? 'The key is not one of ADMIN_KEYS.' : title
    return `${said} (${status} ${code})${detail && ` ${detail}`}${faults.join('')}`
  } catch {
    return null
  }
}
