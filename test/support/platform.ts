import { EventEmitter, once } from 'node:events'
import { type Ceremony, makePasskey, type SoftPasskey } from './authenticator.ts'

// A browser's `navigator.credentials`, in Node: the authenticator in software answers, in the objects that browsers give.

/** A dialogue that a page has opened. */
export interface Dialogue {
  readonly kind: 'get' | 'create'
  readonly options: any
  readonly mediation: string | undefined
}

/** What the person does in a dialogue, and what the authenticator tells then. */
export type Deed = (dialogue: Dialogue) => Promise<Ceremony | void>

/** Leaves a dialogue open: `opened` resolves when it is, and the person consents at `consent`. */
export function linger() {
  const events = new EventEmitter()
  const [opened, consented] = [once(events, 'opened'), once(events, 'consented')]
  const deed: Deed = async () => {
    events.emit('opened')
    await consented
  }
  return { deed, opened, consent: () => void events.emit('consented') }
}

/** A platform with an authenticator in it. */
export interface Platform {
  readonly dialogues: readonly Dialogue[]
  /** Those that were made; the last that may answer does. */
  readonly passkeys: SoftPasskey[]
  /** What the person does in the next dialogues; a person who is told nothing consents. */
  readonly next: (...deeds: readonly Deed[]) => void
  readonly close: () => void
}

/** The person closes the dialogue. */
export const cancel: Deed = () => Promise.reject(new DOMException('closed', 'NotAllowedError'))

/** Puts something in the place of a global; returns what takes it away again. */
export function put(name: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(globalThis, name)
  Object.defineProperty(globalThis, name, { value, configurable: true })
  return () => {
    if (before) Object.defineProperty(globalThis, name, before)
    else Reflect.deleteProperty(globalThis, name)
  }
}

/** Puts an authenticator in the place of the platform's. */
export function openPlatform(): Platform {
  const [dialogues, passkeys, deeds]: [Dialogue[], SoftPasskey[], Deed[]] = [[], [], []]

  async function open(kind: Dialogue['kind'], { publicKey, mediation, signal }: any) {
    const dialogue = { kind, options: toJSON(publicKey), mediation }
    dialogues.push(dialogue)
    const ceremony = (await until(signal, deeds.shift()?.(dialogue))) ?? {}
    return objectOf(kind === 'get' ? sign(dialogue.options, ceremony) : create(dialogue.options, ceremony))
  }
  function create(options: any, ceremony: Ceremony) {
    const known = passkeys.some(({ id }) => options.excludeCredentials?.some((each: any) => each.id === id))
    if (known) throw new DOMException('there is one', 'InvalidStateError')
    const { passkey, response } = makePasskey(options, ceremony)
    passkeys.push(passkey)
    return response
  }
  function sign(options: any, ceremony: Ceremony) {
    const allowed = options.allowCredentials?.map(({ id }: any) => id) ?? []
    const passkey = passkeys.findLast(({ id }) => allowed.length === 0 || allowed.includes(id))
    if (passkey === undefined) throw new DOMException('there is none', 'NotAllowedError')
    return passkey.assert(options, ceremony)
  }
  const credentials = { get: (asked: any) => open('get', asked), create: (asked: any) => open('create', asked) }
  return { dialogues, passkeys, next: (...all) => void deeds.push(...all), close: put('navigator', { credentials }) }
}

/** As browsers: whoever aborts is told so, before or while the person decides. */
async function until<Told>(
  signal: AbortSignal | undefined,
  told: Promise<Told> | undefined,
): Promise<Told | undefined> {
  signal?.throwIfAborted()
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error))
  })
  aborted.catch(() => {})
  return Promise.race([aborted, told])
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
