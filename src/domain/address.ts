import { isIP } from 'node:net'

// IP addresses: how they are read and shown, and how limits count them.

/** A network whose clients are counted together, and how many times the limit of one client all of it has. */
export interface Network {
  readonly name: string
  readonly times: number
}

type Groups = readonly [number, number, number, number, number, number, number, number]

/** The address in its one spelling, an IPv4 client's as IPv4 however it came, a port or a zone left out; null: it is none. */
export function readAddress(text: string): string | null {
  const address = withoutPort(text)
  if (isIP(address) !== 6) return isIP(address) === 4 ? address : null
  const spelled = spell(address)
  return translated(groupsIn(spelled)) ?? spelled
}

/** An address without the port that some proxies send with it, as in `192.0.2.1:4711` and `[2001:db8::1]:4711`. */
export function withoutPort(text: string): string {
  const [, ipv6, other] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d{1,5})?$/.exec(text) ?? []
  return ipv6 ?? other ?? text
}

/** The networks an address is counted in, the narrowest first: of IPv4 itself, of IPv6 the /64, the /56 and the /48. */
export function networksOf(address: string): readonly [Network, ...Network[]] {
  if (isIP(address) !== 6) return [{ name: address, times: 1 }]
  const spelled = spell(address)
  const groups = groupsIn(spelled)
  const alone = translated(groups) ?? tunnelled(groups) ?? (isLocalNat64(groups) ? spelled : null)
  if (alone !== null) return [{ name: alone, times: 1 }]
  const [a, b, c, d] = groups
  return [
    { name: spell(`${hex([a, b, c, d])}::`), times: 1 },
    { name: `${hex([a, b, c, d & 0xff00])}/56`, times: 4 },
    { name: `${hex([a, b, c])}/48`, times: 16 },
  ]
}

/**
 * The first 96 bits of an address that stands for the IPv4 address in its last 32. No client can choose one of these to
 * escape a limit: they are routed to no client, so that none can finish a handshake from there.
 */
const TRANSLATIONS = new Set([
  '0:0:0:0:0:ffff', // IPv4-mapped, RFC 4291: an IPv4 connection to a socket of both kinds; the kernel drops it from the wire
  '0:0:0:0:ffff:0', // IPv4-translated, RFC 2765: comes from a stateless translator of our own only
  '0:0:0:0:0:0', // IPv4-compatible, RFC 4291, deprecated: nobody routes it
  '64:ff9b:0:0:0:0', // NAT64, RFC 6052: comes from a translator near us only
])

/** The IPv4 address of a client that a dual-stack socket or a translator shows as IPv6. */
function translated(groups: Groups): string | null {
  const [high, low] = [groups[6], groups[7]]
  const isNone = groups.slice(0, 7).every((group) => group === 0) // `::` and `::1`
  const isLocal = isLocalNat64(groups) && groups[4] === 0 && groups[5] === 0 // a /96, as is usual
  const isKnown = isLocal || TRANSLATIONS.has(hex(groups.slice(0, 6)))
  return isKnown && !isNone ? ipv4(high, low) : null
}

/**
 * NAT64 for use within one network, RFC 8215: that network alone decides who has such an address. Where it keeps the IPv4
 * address elsewhere in the 128 bits, RFC 6052 section 2.2, each address is a client's.
 */
function isLocalNat64([a, b, c]: Groups): boolean {
  return a === 0x64 && b === 0xff9b && c === 1
}

/**
 * The IPv4 end of a client's tunnel. Answers go to that end, so that nobody can finish a handshake with an end that is not
 * theirs. Whatever else is in these addresses the client can choose, and it counts for nothing. An ISATAP address, RFC 5214,
 * is not among them: anybody can take any of them in a /64 of their own, and the /64 is what counts.
 */
function tunnelled([a, b, c, , , , high, low]: Groups): string | null {
  const [is6to4, isTeredo] = [a === 0x2002, a === 0x2001 && b === 0] // RFC 3056; RFC 4380, which shows the client inverted
  if (is6to4) return ipv4(b, c)
  return isTeredo ? ipv4(high ^ 0xffff, low ^ 0xffff) : null
}

function ipv4(high: number, low: number): string {
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
}

function hex(groups: readonly number[]): string {
  return groups.map((group) => group.toString(16)).join(':')
}

/** As RFC 5952 spells it: a URL spells its host so, in hexadecimal groups only. The zone is left out. */
function spell(address: string): string {
  const [zoneless = ''] = address.split('%', 1)
  return new URL(`http://[${zoneless}]`).hostname.slice(1, -1)
}

/** The eight groups of an IPv6 address. */
export function groupsOf(address: string): Groups {
  return groupsIn(spell(address))
}

function groupsIn(spelled: string): Groups {
  const [left = [], right = []] = spelled
    .split('::')
    .map((part) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))))
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right] as unknown as Groups
}
