import { isIP } from 'node:net'

// IP addresses: how they are read and spelled, and which networks the limits count them in.

/** A network whose clients are counted together: all of them have `times` the limit of one client. */
export interface Network {
  readonly name: string
  readonly times: number
}

type Groups = readonly [number, number, number, number, number, number, number, number]

/**
 * Reads an IP address into its only spelling, without a port or a zone. The address of an IPv4 client is IPv4, even if a socket
 * or a translator shows it as IPv6. Null: the text is no IP address.
 */
export function readAddress(text: string): string | null {
  const address = withoutPort(text)
  if (isIP(address) !== 6) return isIP(address) === 4 ? address : null
  const spelled = spell(address)
  return ipv4OfTranslated(groupsIn(spelled)) ?? spelled
}

/** Takes off the port that some proxies send with an address, as in `192.0.2.1:4711` and `[2001:db8::1]:4711`. */
export function withoutPort(text: string): string {
  const [, ipv6, other] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d{1,5})?$/.exec(text) ?? []
  return ipv6 ?? other ?? text
}

/**
 * The networks that an address is counted in, the narrowest first: an IPv4 address alone; an IPv6 address in its /64, /56 and
 * /48.
 */
export function networksOf(address: string): readonly [Network, ...Network[]] {
  if (isIP(address) !== 6) return [{ name: address, times: 1 }]
  const spelled = spell(address)
  const groups = groupsIn(spelled)
  const alone = ipv4OfTranslated(groups) ?? ipv4OfTunnel(groups) ?? (isLocalNat64(groups) ? spelled : null)
  if (alone !== null) return [{ name: alone, times: 1 }]
  const [a, b, c, d] = groups
  return [
    { name: spell(`${hex([a, b, c, d])}::`), times: 1 },
    { name: `${hex([a, b, c, d & 0xff00])}/56`, times: 4 },
    { name: `${hex([a, b, c])}/48`, times: 16 },
  ]
}

/**
 * The first 96 bits of the IPv6 addresses that stand for the IPv4 address in their last 32 bits. No client can choose such an
 * address to escape a limit: none is routed to a client, so no client can finish a handshake from one.
 */
const TRANSLATIONS = new Set([
  '0:0:0:0:0:ffff', // IPv4-mapped, RFC 4291: an IPv4 connection on a dual-stack socket; the kernel drops such packets from the wire
  '0:0:0:0:ffff:0', // IPv4-translated, RFC 2765: only a stateless translator of our own sends it
  '0:0:0:0:0:0', // IPv4-compatible, RFC 4291, deprecated: nobody routes it
  '64:ff9b:0:0:0:0', // NAT64, RFC 6052: only a translator near us sends it
])

/** The IPv4 address of a client that a dual-stack socket or a translator shows as IPv6; null: the address is no such one. */
function ipv4OfTranslated(groups: Groups): string | null {
  const [high, low] = [groups[6], groups[7]]
  const isNone = groups.slice(0, 7).every((group) => group === 0) // `::` and `::1`
  const isLocal = isLocalNat64(groups) && groups[4] === 0 && groups[5] === 0 // a /96, as is usual
  const isKnown = isLocal || TRANSLATIONS.has(hex(groups.slice(0, 6)))
  return isKnown && !isNone ? ipv4(high, low) : null
}

/**
 * Whether the address is of the NAT64 prefix for use within one network, RFC 8215: that network alone decides who has it. A
 * network may put the IPv4 address elsewhere in the 128 bits, RFC 6052 section 2.2; each address then counts as one client.
 */
function isLocalNat64([a, b, c]: Groups): boolean {
  return a === 0x64 && b === 0xff9b && c === 1
}

/**
 * The IPv4 end of a client's tunnel; null: the address is of no tunnel. Answers go to that end, so a client can finish a
 * handshake only with an end of its own. The client can choose all other bits, so they do not count. ISATAP addresses, RFC 5214,
 * are left out: anybody can make all of them in a /64 of their own, and the /64 is what counts.
 */
function ipv4OfTunnel([a, b, c, , , , high, low]: Groups): string | null {
  const [is6to4, isTeredo] = [a === 0x2002, a === 0x2001 && b === 0] // RFC 3056; RFC 4380, which inverts the bits of the client
  if (is6to4) return ipv4(b, c)
  return isTeredo ? ipv4(high ^ 0xffff, low ^ 0xffff) : null
}

function ipv4(high: number, low: number): string {
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
}

function hex(groups: readonly number[]): string {
  return groups.map((group) => group.toString(16)).join(':')
}

/** Spells an IPv6 address as RFC 5952 does, but in hexadecimal groups only, as URLs spell their hosts. The zone is left out. */
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
