import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import PostalMime, { type Email } from 'postal-mime'
import { SMTPServer, type SMTPServerDataStream, type SMTPServerOptions } from 'smtp-server'

/** A mail that has arrived: its parts, for whom the server took it, and its bytes as text. */
export interface Arrived extends Email {
  readonly recipient: string
  readonly raw: string
  readonly wasEncrypted: boolean
}

/** What a person finds in a mail. */
export interface Letter {
  readonly subject: string
  readonly text: string
  /** What follows `#token=` in its link; empty if it has none. */
  readonly token: string
  readonly code: string
}

/** Reads what a person finds in a mail. */
export function readLetter({ subject = '', text = '' }: Arrived): Letter {
  const [, token = ''] = /#token=([\w-]+)/.exec(text) ?? []
  const [, code = ''] = /(?:^|\D)(\d{8})(?:\D|$)/.exec(text) ?? []
  return { subject, text, token, code }
}

/** What the server says to a recipient: a refusal, or nothing at all. */
export type Reply = 451 | 530 | 550 | 'hang'

/** A real SMTP server on 127.0.0.1. */
export interface Smtp {
  readonly port: number
  readonly url: string
  readonly mails: readonly Arrived[]
  readonly mailsTo: (recipient: string) => readonly Arrived[]
  /** For each attempt to log in, the user, and whether it was encrypted. */
  readonly logins: readonly { readonly user: string; readonly wasEncrypted: boolean }[]
  /** How often a recipient was named, taken or not. */
  readonly attempts: (recipient: string) => number
  /** From now on this is what it says to the recipient; null: it takes the mail. */
  readonly say: (recipient: string, reply: Reply | null) => void
  /** While held, it answers to no mail that it has read. */
  readonly hold: () => void
  readonly release: () => void
  /** Refuses connections, and comes back on the same port. */
  readonly away: () => Promise<void>
  readonly back: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** Offers to encrypt, with a self-signed certificate. */
export const ENCRYPTED = { hideSTARTTLS: false }

/**
 * Starts a server. It takes every user and password; `options` are those of smtp-server. A handshake costs more than a mail: only who
 * asks for ENCRYPTED has it.
 */
export async function startSmtp(options: SMTPServerOptions = {}): Promise<Smtp> {
  const mails: Arrived[] = []
  const logins: { user: string; wasEncrypted: boolean }[] = []
  const replies = new Map<string, Reply>()
  const attempts = new Map<string, number>()
  const held = new Set<() => void>()
  let isHeld = false

  async function take(stream: SMTPServerDataStream, recipient: string, wasEncrypted: boolean) {
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    const bytes = Buffer.concat(chunks)
    if (isHeld) await new Promise<void>((resolve) => held.add(resolve))
    mails.push({ ...(await PostalMime.parse(bytes)), recipient, raw: bytes.toString('utf8'), wasEncrypted })
  }

  const make = () => {
    const made = new SMTPServer({
      logger: false,
      authOptional: true,
      disableReverseLookup: true,
      hideSTARTTLS: true,
      closeTimeout: 1,
      onAuth({ username = '' }, { secure }, callback) {
        logins.push({ user: username, wasEncrypted: secure })
        callback(null, { user: username })
      },
      onRcptTo({ address }, _session, callback) {
        attempts.set(address, (attempts.get(address) ?? 0) + 1)
        const reply = replies.get(address)
        if (reply === 'hang') return
        callback(reply === undefined ? null : Object.assign(new Error(`no ${address} here`), { responseCode: reply }))
      },
      onData(stream, { envelope, secure }, callback) {
        take(stream, envelope.rcptTo[0]?.address ?? '', secure).then(() => callback(null), callback)
      },
      ...options,
    })
    made.on('error', () => {}) // a client that goes away, or does not trust the certificate
    return made
  }

  let server = make()
  const listen = async (port: number) => {
    const listener = server.listen(port, '127.0.0.1')
    await once(listener, 'listening')
    return (listener.address() as AddressInfo).port
  }
  const port = await listen(0)
  const close = () => new Promise<void>((resolve) => server.close(resolve))
  const release = () => {
    isHeld = false
    for (const go of held) go()
    held.clear()
  }

  return {
    port,
    url: `smtp${options.secure ? 's' : ''}://127.0.0.1:${port}`,
    mails,
    mailsTo: (recipient) => mails.filter((mail) => mail.recipient === recipient),
    logins,
    attempts: (recipient) => attempts.get(recipient) ?? 0,
    say: (recipient, reply) => void (reply === null ? replies.delete(recipient) : replies.set(recipient, reply)),
    hold: () => void (isHeld = true),
    release,
    away: close,
    async back() {
      server = make()
      await listen(port)
    },
    async stop() {
      release()
      await close()
    },
  }
}
