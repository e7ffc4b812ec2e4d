import cookie from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Tokens } from '../../auth/tokens/issue.ts'
import type { Deps } from '../../deps.ts'
import { Problem } from '../problems.ts'
import type { App } from '../typed-app.ts'

/** The cookie that carries the refresh token in cookie mode. */
export interface RefreshCookie {
  /** Whether the request has the cookie, once or more often, in any letter case. */
  readonly isSent: (request: FastifyRequest) => boolean
  /**
   * The refresh token in the cookie; undefined: there is no cookie. Throws Problem if the name is there twice or in another
   * letter case.
   */
  readonly read: (request: FastifyRequest) => string | undefined
  /** The refresh token in the cookie; undefined unless there is exactly one cookie of the name. */
  readonly readIfSingle: (request: FastifyRequest) => string | undefined
  /** Sets the cookie; with `remember` it outlives the browser. */
  readonly set: (reply: FastifyReply, tokens: Tokens) => void
  /** Deletes the cookie, with the attributes that it was set with: browsers delete no other. */
  readonly clear: (reply: FastifyReply) => void
}

/** Makes the refresh cookie, with a prefixed name, RFC 6265bis section 4.1.3. */
export async function makeRefreshCookie(app: App, { config }: Deps): Promise<RefreshCookie> {
  await app.register(cookie, { hook: false })
  const domain = config.COOKIE_DOMAIN
  const name = domain === undefined ? '__Host-refresh_token' : '__Secure-refresh_token'
  const attributes = {
    httpOnly: true,
    secure: true,
    sameSite: 'strict',
    path: '/',
    ...(domain === undefined ? {} : { domain }),
  } as const

  /** The names of the cookies in the request that are ours but for their letter case. */
  function namesIn({ headers }: FastifyRequest): string[] {
    const pairs = (headers.cookie ?? '').split(';').filter((pair) => pair.includes('='))
    const names = pairs.map((pair) => pair.slice(0, pair.indexOf('=')).trim())
    return names.filter((candidate) => candidate.toLowerCase() === name.toLowerCase())
  }

  function readIfSingle(request: FastifyRequest): string | undefined {
    return namesIn(request).join() === name ? app.parseCookie(request.headers.cookie ?? '')[name] : undefined
  }

  return {
    isSent: (request) => namesIn(request).length > 0,
    read(request) {
      const token = readIfSingle(request)
      if (token === undefined && namesIn(request).length > 0)
        throw new Problem('bad_request', { detail: 'There are two refresh cookies.' })
      return token
    },
    readIfSingle,
    set(reply, { refreshToken, refreshExpiresIn, remember }) {
      void reply.setCookie(name, refreshToken, { ...attributes, ...(remember ? { maxAge: refreshExpiresIn } : {}) })
    },
    clear(reply) {
      void reply.clearCookie(name, attributes)
    },
  }
}
