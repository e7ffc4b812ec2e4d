import { isIP, SocketAddress } from 'node:net'
import { groupsOf } from '../domain/ip-address.ts'

/** Whether a text is an IP address in its canonical form: IPv6 in lower case and shortest, RFC 5952. */
export function isAddress(text: string): boolean {
  const version = isIP(text)
  if (version !== 6) return version === 4
  return new SocketAddress({ address: text, family: 'ipv6' }).address === text
}

/**
 * Whether a text is a canonical IP address, with a zone or without, or a name in lower case (an international name in
 * punycode).
 */
export function isHost(text: string): boolean {
  const [address = ''] = text.split('%')
  return isIP(text) === 0 ? isName(text) : isAddress(address)
}

/** Whether a text is a host name in lower case. A name that browsers take for an address, like `127.1`, is not. */
export function isName(text: string): boolean {
  return /^[a-z\d_.-]+$/.test(text) && isIP(text) === 0 && hostnameOf(text) === text
}

/** Whether a canonical host, an IPv6 address with brackets or without, is this machine and cannot be another. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** Whether a text is a canonical IP address, or a CIDR range with its first address; the range of all addresses is refused. */
export function isAddressOrRange(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/')
  if (!text.includes('/')) return isAddress(text)
  if (!isAddress(address) || !/^[1-9]\d{0,2}$/.test(bits) || rest.length > 0) return false
  const free = (isIP(address) === 4 ? 32 : 128) - Number(bits)
  return free >= 0 && BigInt.asUintN(free, numberOf(address)) === 0n
}

function numberOf(address: string): bigint {
  const isShort = isIP(address) === 4
  const parts: readonly number[] = isShort ? address.split('.').map(Number) : groupsOf(address)
  return parts.reduce((number, part) => (number << (isShort ? 8n : 16n)) + BigInt(part), 0n)
}

function hostnameOf(authority: string): string {
  const url = `http://${authority}`
  return URL.canParse(url) ? new URL(url).hostname : ''
}
