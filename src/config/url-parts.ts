import { isHost } from './hosts.ts'

/** A character of a user, a password or a path, in a pattern; all others are percent-encoded, RFC 3986 section 2. */
export const CHARACTER = String.raw`[\w.~!$&'()*+,;=-]|%[\dA-Fa-f]{2}`

/** Reads a canonical host and its port; an IPv6 address stands in brackets. Null: the text is none. */
export function readHost(text: string, defaultPort: number): { host: string; port: number } | null {
  const [, ipv6, name, digits] = /^(?:\[([\da-f:.]+)\]|([^:[\]]+))(?::([1-9]\d{0,4}))?$/.exec(text) ?? []
  const host = ipv6 ?? name ?? ''
  const port = digits === undefined ? defaultPort : Number(digits)
  return isHost(host) && port <= 65_535 ? { host, port } : null
}
