import cookie from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Tokens } from '../auth/tokens.ts'
import type { Deps } from '../deps.ts'
import { Problem } from '../problems.ts'
import type { App } from './app.ts'

export interface RefreshCookie {
  /** The refresh token in the request's cookie. Refuses two cookies of the name, in whatever letter case. */
  readonly read: (request: FastifyRequest) => string | undefined
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

  return {
    read(request) {
      const header = request.headers.cookie ?? ''
      const named = header.split(';').map((pair) => pair.slice(0, pair.indexOf('=')).trim())
      const found = named.filter((candidate) => candidate.toLowerCase() === name.toLowerCase())
      if (found.length === 0) return undefined
      if (found.length > 1 || found[0] !== name)
        throw new Problem('bad_request', { detail: 'There are two refresh cookies.' })
      return app.parseCookie(header)[name]
    },
    set(reply, { refreshToken, refreshExpiresIn, remember }) {
      void reply.setCookie(name, refreshToken, { ...attributes, ...(remember ? { maxAge: refreshExpiresIn } : {}) })
    },
    clear(reply) {
      void reply.clearCookie(name, attributes)
    },
  }
}
