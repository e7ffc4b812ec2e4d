import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createTransport, type NodemailerError, type SendMailOptions } from 'nodemailer'
import type { MailPlace, MailSender, SmtpServer } from '../config/mail-url.ts'
import { readEmail } from '../domain/email.ts'
import type { Mail } from '../domain/mail.ts'
import type { Words } from './template.ts'

/** What became of a mail. `cause` is a short code, never a text of the server: that could repeat the address. */
export type Outcome =
  | { readonly kind: 'sent' }
  | { readonly kind: 'refused'; readonly forGood: boolean; readonly cause: string }

/** Hands a mail with these words over. Never rejects. The same mail is the same message each time, with the same Message-ID. */
export type Transport = (mail: Mail, words: Words) => Promise<Outcome>

/** For how many ms the server may be silent, and for how many ms one mail may take in all. */
const [PATIENCE_MS, WHOLE_MS] = [5000, 30_000]

/** Opens the way to the SMTP server or to the folder. Connects to nothing yet: each mail has a connection of its own. */
export function openTransport(place: MailPlace, from: MailSender): Transport {
  const deliver = place.kind === 'smtp' ? overSmtp(place) : intoFolder(place.dir)
  return async (mail, words) => {
    try {
      await deliver(messageOf(from, mail, words), mail)
      return { kind: 'sent' }
    } catch (error) {
      return refusalOf(error as NodemailerError)
    }
  }
}

type Deliver = (message: SendMailOptions, mail: Mail) => Promise<unknown>

function overSmtp({ host, port, tls, login }: SmtpServer): Deliver {
  const transporter = createTransport({
    host,
    port,
    secure: tls === 'immediate',
    requireTLS: tls === 'demanded',
    tls: { rejectUnauthorized: tls !== 'offered' }, // on this machine a certificate proves nothing more
    ...(login === null ? {} : { auth: { user: login.user, pass: login.password }, forceAuth: true }),
    dnsTimeout: PATIENCE_MS,
    connectionTimeout: PATIENCE_MS,
    greetingTimeout: PATIENCE_MS,
    socketTimeout: PATIENCE_MS,
  })
  return (message) => transporter.sendMail({ ...message, signal: AbortSignal.timeout(WHOLE_MS) })
}

function intoFolder(dir: string): Deliver {
  const composer = createTransport({ streamTransport: true, buffer: true, newline: 'windows' })
  return async (message, { at, id }) => {
    const { message: bytes } = await composer.sendMail(message)
    const name = `${new Date(at).toISOString().replaceAll(':', '-')}-${id}.eml`
    await mkdir(dir, { recursive: true, mode: 0o700 })
    await writeFile(join(dir, `.${name}`), bytes, { mode: 0o600 })
    await rename(join(dir, `.${name}`), join(dir, name))
  }
}

/** The message. Addresses are objects: no text in them can become a header of its own. */
function messageOf(from: MailSender, { id, at, to }: Mail, { subject, text }: Words): SendMailOptions {
  const domain = readEmail(from.address)?.key.split('@').at(-1)
  return {
    from,
    to: { name: '', address: to },
    subject,
    text,
    messageId: `<${id}@${domain}>`,
    date: new Date(at),
    headers: { 'Auto-Submitted': 'auto-generated' }, // RFC 3834: no vacation answers it
    xMailer: false,
    disableFileAccess: true,
    disableUrlAccess: true,
  }
}

/** The server wants a login or TLS first: that is ours to mend. RFC 4954 section 6, RFC 3207 section 4. */
const OURS = new Set([530, 534, 535, 538])

function refusalOf({ code = 'unknown', command, responseCode = 0 }: NodemailerError): Outcome {
  if (code !== 'EENVELOPE' && code !== 'EMESSAGE') return { kind: 'refused', forGood: false, cause: code }
  const isOurs = OURS.has(responseCode) || (responseCode >= 500 && command === 'MAIL FROM')
  const forGood = !isOurs && (responseCode === 0 || responseCode >= 500) // 0: it did not even reach the server
  return { kind: 'refused', forGood, cause: responseCode === 0 ? code : String(responseCode) }
}
