import { readEmail } from '../domain/email.ts'
import { isLoopback } from './hosts.ts'
import { faultOfIssuer } from './origins.ts'
import { CHARACTER, readHost } from './url-parts.ts'

/** Where mails go: to an SMTP server, or into a folder. */
export type MailPlace = SmtpServer | { readonly kind: 'file'; readonly dir: string }

/** An SMTP server. */
export interface SmtpServer {
  readonly kind: 'smtp'
  readonly host: string
  readonly port: number
  /** `immediate`: TLS from the first byte; `demanded`: STARTTLS, or no mail is sent; `offered`: STARTTLS if the server has it. */
  readonly tls: 'immediate' | 'demanded' | 'offered'
  readonly login: { readonly user: string; readonly password: string } | null
}

/** From whom mails are. The name may be empty. */
export interface MailSender {
  readonly name: string
  readonly address: string
}

const CREDENTIALS = `(?:((?:${CHARACTER})+):((?:${CHARACTER})+)@)?`
const SMTP_FORM = new RegExp(`^smtp(s?)://${CREDENTIALS}([^@/?#]+)$`)
const FILE_FORM = /^file:(?!\/\/)(\P{Cc}+)$/u

/** Reads a MAIL_URL; null: the text is none. */
export function readMailUrl(url: string): MailPlace | null {
  const dir = FILE_FORM.exec(url)?.[1]
  return dir === undefined ? readSmtpUrl(url) : { kind: 'file', dir }
}

function readSmtpUrl(url: string): SmtpServer | null {
  const [, tls, user, password = '', authority = ''] = SMTP_FORM.exec(url) ?? []
  const place = readHost(authority, tls === 's' ? 465 : 587)
  if (place === null) return null
  const startTls = isLoopback(place.host) ? 'offered' : 'demanded'
  try {
    const login = user === undefined ? null : { user: decodeURIComponent(user), password: decodeURIComponent(password) }
    return { kind: 'smtp', ...place, tls: tls === 's' ? 'immediate' : startTls, login }
  } catch {
    return null // the percent-encoded bytes are no UTF-8
  }
}

/** What is wrong with a text that `readMailUrl` does not take; shows nothing of the text. */
export function faultOfMailUrl(url: string): string {
  const [, scheme = '', place] = /^(smtps?:\/\/).*@(.*)$/s.exec(url) ?? []
  return place === undefined || readMailUrl(scheme + place) === null
    ? 'must be smtps://user:password@host, smtp://user:password@host or file:FOLDER, the host in lower case'
    : 'must have both a user and a password, percent-encoded, or neither'
}

/** Reads a MAIL_FROM, an address or `Name <address>`; null: the text is none. */
export function readMailFrom(text: string): MailSender | null {
  const [, name = '', address = text] = /^([^<>"\\]*[^<>"\\\s]) <([^<>]+)>$/.exec(text) ?? []
  return readEmail(address)?.address === address && (name === '' || isPrintable(name)) ? { name, address } : null
}

/** Whether a text shows as it is, in one line: no control characters, no line breaks, nothing that turns the direction. */
export function isPrintable(text: string): boolean {
  return /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]+$/u.test(text)
}

/** What is wrong with an APP_URL; null: nothing. */
export function faultOfAppUrl(text: string): string | null {
  const fault = faultOfIssuer(text)
  if (fault !== null || text.startsWith('https:')) return fault
  return isLoopback(new URL(text).hostname) ? null : 'must be an https URL, or an http URL of this machine'
}

/** Whether a text can name a language, and a folder: it has letters, digits and hyphens only. */
export function isLocale(text: string): boolean {
  return /^[A-Za-z\d-]{1,35}$/.test(text)
}
