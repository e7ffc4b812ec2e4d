/** Where Redis is, from a `redis:`, `rediss:`, `redis+sentinel:` or `redis+cluster:` URL (`rediss+…` for TLS). */
export interface RedisAddress {
  readonly kind: 'standalone' | 'sentinel' | 'cluster'
  readonly tls: boolean
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  readonly username?: string
  readonly password?: string
  readonly db: number
  /** The name of the primary that the sentinels watch. */
  readonly name: string
}

const KINDS = { '': 'standalone', '+sentinel': 'sentinel', '+cluster': 'cluster' } as const
const URL_FORM = /^redis(s?)(\+sentinel|\+cluster|):\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?#]+)(?:\/([^/?#]*))?$/

/** Reads a REDIS_URL; null if it is none. */
export function readRedisUrl(url: string): RedisAddress | null {
  const [, tls, suffix = '', username = '', password = '', hosts, path = ''] = URL_FORM.exec(url) ?? []
  if (hosts === undefined) return null
  const kind = KINDS[suffix as keyof typeof KINDS]
  const found = hosts.split(',').map((host) => readHost(host, kind === 'sentinel' ? 26379 : 6379))
  const credentials = readCredentials(username, password)
  if (found.includes(null) || credentials === null || !PATH_FORMS[kind].test(path)) return null
  if (kind === 'standalone' && found.length !== 1) return null
  return {
    kind,
    tls: tls === 's',
    hosts: found.filter((host) => host !== null),
    ...credentials,
    db: kind === 'standalone' ? Number(path) : 0,
    name: kind === 'sentinel' ? path : '',
  }
}

const PATH_FORMS = { standalone: /^\d{0,4}$/, sentinel: /./, cluster: /^0?$/ }

function readHost(text: string, defaultPort: number): { host: string; port: number } | null {
  const [, ipv6, name, digits] = /^(?:\[([\da-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = ipv6 ?? name
  const port = digits === undefined ? defaultPort : Number(digits)
  return host === undefined || port < 1 || port > 65_535 ? null : { host, port }
}

function readCredentials(username: string, password: string): { username?: string; password?: string } | null {
  try {
    return {
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    }
  } catch {
    return null
  }
}
