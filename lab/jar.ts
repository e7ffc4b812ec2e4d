/** A browser's cookies for one site. */
export interface Jar {
  /** The Cookie header, with what is alive. */
  readonly header: () => string
  readonly take: (setCookies: readonly string[] | undefined) => void
  readonly copy: () => Jar
}

interface Cookie {
  readonly value: string
  readonly expiresAt: number
}

/** An empty jar; `now` is the clock that its cookies grow old by. */
export function makeJar(now: () => number, kept = new Map<string, Cookie>()): Jar {
  return {
    header: () =>
      [...kept]
        .filter(([, { expiresAt }]) => expiresAt > now())
        .map(([name, { value }]) => `${name}=${value}`)
        .join('; '),
    take(setCookies = []) {
      for (const line of setCookies) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
        kept.set(name, { value, expiresAt: expiryOf(line, now()) })
      }
    },
    copy: () => makeJar(now, new Map(kept)),
  }
}

/** RFC 6265 section 5.3: Max-Age wins over Expires; neither is until the browser closes. */
function expiryOf(line: string, now: number): number {
  const maxAge = /;\s*max-age=(-?\d+)/i.exec(line)?.[1]
  const expires = /;\s*expires=([^;]+)/i.exec(line)?.[1]
  if (maxAge !== undefined) return now + Number(maxAge) * 1000
  return expires === undefined ? Infinity : Date.parse(expires)
}
