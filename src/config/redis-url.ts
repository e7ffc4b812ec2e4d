import { CHARACTER, readHost } from './url-parts.ts'

const KINDS = { '': 'standalone', '+sentinel': 'sentinel', '+cluster': 'cluster' } as const
type RedisKind = (typeof KINDS)[keyof typeof KINDS]

/** Where Redis is, from a `redis:`, `rediss:`, `redis+sentinel:`, `redis+cluster:` (`rediss+…` for TLS) or `redis+unix:` URL. */
export interface RedisAddress {
  readonly kind: RedisKind
  readonly tls: boolean
  /** Empty if there is a socket. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  /** The path of a Unix socket. */
  readonly socket?: string
  readonly username?: string
  readonly password?: string
  readonly db: number
  /** The name of the primary that the sentinels watch. */
  readonly name: string
}

/** The path behind the hosts: the number of a database, the name of the primary, or nothing. */
const PATH_FORMS: Record<RedisKind, RegExp> = { standalone: /^(?:0|[1-9]\d{0,3})?$/, sentinel: /./, cluster: /^0?$/ }

const CREDENTIALS = `(?:((?:${CHARACTER})*)(?::((?:${CHARACTER})*))?@)?`
const URL_FORM = new RegExp(`^redis(s?)(\\+sentinel|\\+cluster|)://${CREDENTIALS}([^@/?#]+)(?:/([^/?#]*))?$`)
const SOCKET_FORM = new RegExp(`^redis\\+unix://${CREDENTIALS}((?:/(?:${CHARACTER}|:)+)+)(?:\\?db=(0|[1-9]\\d{0,3}))?$`)

/** Reads a REDIS_URL; null: the text is none. */
export function readRedisUrl(url: string): RedisAddress | null {
  try {
    return readSocket(url) ?? readHosts(url)
  } catch {
    return null // the percent-encoded bytes are no UTF-8
  }
}

/** What is wrong with a text that `readRedisUrl` does not take; shows nothing of the text. */
export function faultOfRedisUrl(url: string): string {
  const [, scheme = '', place] = /^(redis[a-z+]*:\/\/).*@(.*)$/s.exec(url) ?? []
  return place === undefined || readRedisUrl(scheme + place) === null
    ? 'must be a redis:, rediss:, redis+sentinel:, redis+cluster: or redis+unix: URL, hosts in lower case'
    : 'has a user or a password with characters that have a meaning in a URL: percent-encode the password'
}

/** Where Redis is, in words for an operator, without the user and the password. */
export function placeOf({ socket, hosts }: RedisAddress): string {
  return socket ?? hosts.map(({ host, port }) => `${host}:${port}`).join()
}

function readSocket(url: string): RedisAddress | null {
  const [, username, password, path, db = '0'] = SOCKET_FORM.exec(url) ?? []
  if (path === undefined) return null
  const socket = decodeURIComponent(path)
  return {
    kind: 'standalone',
    tls: false,
    hosts: [],
    socket,
    ...readCredentials(username, password),
    db: Number(db),
    name: '',
  }
}

function readHosts(url: string): RedisAddress | null {
  const [, tls, suffix = '', username, password, hosts, path = ''] = URL_FORM.exec(url) ?? []
  if (hosts === undefined) return null
  const kind = KINDS[suffix as keyof typeof KINDS]
  const found = hosts.split(',').map((host) => readHost(host, kind === 'sentinel' ? 26379 : 6379))
  if (found.includes(null) || !PATH_FORMS[kind].test(path)) return null
  if (kind === 'standalone' && found.length !== 1) return null
  return {
    kind,
    tls: tls === 's',
    hosts: found.filter((host) => host !== null),
    ...readCredentials(username, password),
    db: kind === 'standalone' ? Number(path) : 0,
    name: kind === 'sentinel' ? path : '',
  }
}

function readCredentials(username = '', password = ''): { username?: string; password?: string } {
  return {
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
  }
}
