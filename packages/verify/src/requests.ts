import { Unknown } from './errors.ts'

/** What came back, read to its end. */
export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** How the issuer is asked. */
export interface Requests {
  /** Sends a GET; throws Unknown without a whole answer within `withinMs`. A redirect is an answer, and is not followed. */
  readonly get: (url: string, options: { withinMs: number; headers?: Record<string, string> }) => Promise<Reply>
  /** Breaks off what is under way. */
  readonly close: () => void
}

/** More than any answer of the issuer holds, in bytes. */
const MAX_BYTES = 262_144

/** Asks by this `fetch`. */
export function makeRequests(fetch: typeof globalThis.fetch): Requests {
  const underWay = new Set<AbortController>()

  async function read(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Reply> {
    const response = await fetch(url, { headers, redirect: 'manual', signal })
    return { status: response.status, headers: response.headers, text: await readText(response) }
  }

  return {
    async get(url, { withinMs, headers = {} }) {
      const controller = new AbortController()
      const timer = setTimeout(() => controller.abort(new Error(`no answer within ${withinMs} ms`)), withinMs)
      underWay.add(controller)
      try {
        return await Promise.race([read(url, headers, controller.signal), rejectionBy(controller.signal)])
      } catch (cause) {
        controller.abort()
        throw new Unknown(`${new URL(url).pathname} could not be read`, { cause })
      } finally {
        clearTimeout(timer)
        underWay.delete(controller)
      }
    },
    close() {
      for (const controller of underWay) controller.abort(new Error('the verifier is closed'))
    },
  }
}

/** Rejects when the signal says so: a `fetch` that does not listen to it cannot make anybody wait. */
function rejectionBy(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
}

async function readText({ body }: Response): Promise<string> {
  if (body === null) return ''
  const [reader, decoder] = [body.getReader(), new TextDecoder()]
  let [text, bytes] = ['', 0]
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    bytes += part.value.byteLength
    if (bytes > MAX_BYTES) throw new Error(`the answer is larger than ${MAX_BYTES} bytes`)
    text += decoder.decode(part.value, { stream: true })
  }
  return text + decoder.decode()
}
