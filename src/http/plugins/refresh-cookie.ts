import cookie from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Tokens } from '../../auth/tokens/issue.ts'
import type { Deps } from '../../deps.ts'
import { Problem } from '../problems.ts'
import type { App } from '../typed-app.ts'

export interface RefreshCookie {
  /** Whether the request carries the cookie, or several. */
  readonly isSent: (request: FastifyRequest) => boolean
  /** The refresh token in the request's cookie. Refuses two cookies of the name, in whatever letter case. */
  readonly read: (request: FastifyRequest) => string | undefined
  /** The refresh token in the request's cookie, if there is exactly one of the name. */
  readonly readOnly: (request: FastifyRequest) => string | undefined
  readonly set: (reply: FastifyReply, tokens: Tokens) => void
  /** Takes the cookie back, with the attributes it was set with. */
  readonly clear: (reply: FastifyReply) => void
}

/** The cookie that carries the refresh token in cookie mode, RFC 6265bis section 4.1.3. */
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

  /** The cookies of the name that the request carries, in whatever letter case. */
  function namesIn({ headers }: FastifyRequest): string[] {
    const pairs = (headers.cookie ?? '').split(';').filter((pair) => pair.includes('='))
    const names = pairs.map((pair) => pair.slice(0, pair.indexOf('=')).trim())
    return names.filter((candidate) => candidate.toLowerCase() === name.toLowerCase())
  }

  function readOnly(request: FastifyRequest): string | undefined {
    return namesIn(request).join() === name ? app.parseCookie(request.headers.cookie ?? '')[name] : undefined
  }

  return {
    isSent: (request) => namesIn(request).length > 0,
    read(request) {
      const token = readOnly(request)
      if (token === undefined && namesIn(request).length > 0)
        throw new Problem('bad_request', { detail: 'There are two refresh cookies.' })
      return token
    },
    readOnly,
    set(reply, { refreshToken, refreshExpiresIn, remember }) {
      void reply.setCookie(name, refreshToken, { ...attributes, ...(remember ? { maxAge: refreshExpiresIn } : {}) })
    },
    clear(reply) {
      void reply.clearCookie(name, attributes)
    },
  }
}
