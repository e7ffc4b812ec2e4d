import { makePasskey, type SoftPasskey } from './authenticator.ts'

// A browser's `navigator.credentials`, in Node: the authenticator in software answers, in the objects that browsers give.

/** A dialogue that a page has opened. */
export interface Dialogue {
  readonly kind: 'get' | 'create'
  readonly options: any
  readonly mediation: string | undefined
}

/** What the person does in a dialogue. */
export type Deed = (dialogue: Dialogue) => Promise<void>

/** A platform with an authenticator in it. */
export interface Platform {
  readonly dialogues: readonly Dialogue[]
  readonly passkeys: SoftPasskey[]
  /** What the person does in the next dialogues; a person who is told nothing consents. */
  readonly next: (...deeds: readonly Deed[]) => void
  readonly close: () => void
}

/** The person closes the dialogue. */
export const cancel: Deed = () => Promise.reject(new DOMException('closed', 'NotAllowedError'))

/** Puts an authenticator in the place of the platform's. */
export function openPlatform(): Platform {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator')
  const [dialogues, passkeys, deeds]: [Dialogue[], SoftPasskey[], Deed[]] = [[], [], []]

  async function open(kind: Dialogue['kind'], { publicKey, mediation, signal }: any) {
    const dialogue = { kind, options: toJSON(publicKey), mediation }
    dialogues.push(dialogue)
    await until(signal, deeds.shift()?.(dialogue))
    return objectOf(kind === 'get' ? sign(dialogue.options) : create(dialogue.options))
  }
  function create(options: any) {
    const known = passkeys.some(({ id }) => options.excludeCredentials?.some((each: any) => each.id === id))
    if (known) throw new DOMException('there is one', 'InvalidStateError')
    const { passkey, response } = makePasskey(options)
    passkeys.push(passkey)
    return response
  }
  function sign(options: any) {
    const allowed = options.allowCredentials?.map(({ id }: any) => id) ?? []
    const passkey = passkeys.findLast(({ id }) => allowed.length === 0 || allowed.includes(id))
    if (passkey === undefined) throw new DOMException('there is none', 'NotAllowedError')
    return passkey.assert(options)
  }
  const credentials = { get: (asked: any) => open('get', asked), create: (asked: any) => open('create', asked) }
  Object.defineProperty(globalThis, 'navigator', { value: { credentials }, configurable: true })
  return {
    dialogues,
    passkeys,
    next: (...all) => void deeds.push(...all),
    close: () => before && Object.defineProperty(globalThis, 'navigator', before),
  }
}

/** As browsers: whoever aborts is told so, before or while the person decides. */
async function until(signal: AbortSignal | undefined, deed: Promise<void> | undefined): Promise<void> {
  signal?.throwIfAborted()
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error))
  })
  aborted.catch(() => {})
  await Promise.race([aborted, deed])
}

/** Bytes become base64url, at every depth: what the authenticator in software is asked by. */
function toJSON(value: any): any {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
    return Buffer.from(value as Uint8Array).toString('base64url')
  if (Array.isArray(value)) return value.map(toJSON)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toJSON(each)]))
}

/** What a browser gives: bytes in ArrayBuffers, as getters; no `toJSON`, as with some password managers. */
function objectOf({ id, type, response }: Record<string, any>) {
  const { transports, ...texts } = response
  const members = Object.entries(texts).map(([name, text]) => [name, bytesOf(text as string)])
  const getTransports = transports && { getTransports: () => transports }
  return {
    id,
    rawId: bytesOf(id),
    type,
    response: { userHandle: null, ...Object.fromEntries(members), ...getTransports },
  }
}

function bytesOf(text: string): ArrayBuffer {
  return new Uint8Array(Buffer.from(text, 'base64url')).buffer
}
