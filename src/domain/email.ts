import { domainToASCII, domainToUnicode } from 'node:url'

/** An e-mail address: `address` is shown to people; `key` is the same for all spellings of one account. */
export interface Email {
  readonly address: string
  readonly key: string
}

/** A longer text is refused unread: normalising it would only cost time, and no address of 254 characters is longer before it. */
const MAX_INPUT_LENGTH = 1000
const LOCAL = /^[^\s\p{Cc}\p{Cf}\p{Cs}"(),:;<>@[\\\]]+$/u
const LABEL = /^(?!-)[\p{L}\p{M}\p{N}-]+(?<!-)$/u

/**
 * Reads an e-mail address: trimmed, NFC, lower-cased, at most 254 characters; a local part without quotes, spaces or control
 * characters; an ASCII or IDN domain with at least one dot, compared in its ASCII form. Null: the text is no such address.
 */
export function readEmail(input: string): Email | null {
  if (input.length > MAX_INPUT_LENGTH) return null
  const address = input.trim().normalize('NFC').toLowerCase().normalize('NFC')
  const at = address.lastIndexOf('@')
  const local = address.slice(0, at)
  const domain = asciiDomain(address.slice(at + 1))
  if (at < 1 || domain === null || address.length > 254 || local.length + domain.length > 253) return null
  if (local.length > 64 || !LOCAL.test(local) || /^\.|\.\.|\.$/.test(local)) return null
  return { address, key: `${local}@${domain}` }
}

function asciiDomain(domain: string): string | null {
  if (!domain.split('.').every((label) => LABEL.test(label))) return null
  const ascii = domainToASCII(domain)
  if (/(^|\.)xn--/.test(domainToUnicode(ascii))) return null // invalid Punycode, which releases of Node read differently
  const labels = ascii.split('.')
  const isHost = labels.every((label) => label.length <= 63 && LABEL.test(label))
  return isHost && labels.length > 1 && !/^\d+$/.test(labels.at(-1) ?? '') ? ascii : null
}
