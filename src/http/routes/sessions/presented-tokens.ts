import type { FastifyRequest } from 'fastify'
import { isSessionOver } from '../../../auth/sessions/logout.ts'
import { type Presented, type PresentedRefreshToken, readRefreshToken } from '../../../auth/tokens/presented.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'

/**
 * Reads the tokens of ours that a client shows at a logout, in the order in which they count: body, header, and the cookie if neither
 * has one. Throws Problem `no_token` if the client shows none, and `cross_site` for a cookie from another site.
 */
export async function readPresented(
  edge: CookieEdge,
  request: FastifyRequest,
  sent: string | undefined,
): Promise<readonly Presented[]> {
  const { deps, bearer, cookie, refuseCrossSite } = edge
  const inBody = sent === undefined ? undefined : readRefreshToken(deps, sent, 'body')
  const inHeader = await bearer.readNamingToken(request).catch(unlessRefused)
  const ours = [inBody, inHeader && ({ kind: 'access', ...inHeader } as const)].filter(isOurs)
  if (ours.length > 0) return ours
  if (cookie.isSent(request)) {
    refuseCrossSite(request)
    const inCookie = readCookie(edge, request)
    return inCookie === null ? [] : [inCookie]
  }
  if (inBody === undefined && inHeader === undefined) throw new Problem('no_token')
  return []
}

/** Reads the refresh token in the cookie; null: there is none, or it is not ours. Throws Problem if there are two cookies. */
export function readCookie({ deps, cookie }: CookieEdge, request: FastifyRequest): PresentedRefreshToken | null {
  return readRefreshToken(deps, cookie.read(request) ?? '', 'cookie')
}

function isOurs(presented: Presented | null | undefined): presented is Presented {
  return presented !== null && presented !== undefined
}

/** Undefined if no access token was sent, null if it is malformed; other errors are thrown on. */
function unlessRefused(error: unknown): undefined | null {
  if (error instanceof Problem && error.code === 'no_token') return undefined
  if (error instanceof Problem && error.code === 'token_invalid') return null
  throw error
}

/** Whether the cookie is worthless: its token is not ours, or its session is over, by this logout or before. */
export async function isCookieDead({ deps, cookie }: CookieEdge, request: FastifyRequest): Promise<boolean> {
  const text = cookie.readIfSingle(request)
  if (text === undefined) return false
  const presented = readRefreshToken(deps, text, 'cookie')
  return presented === null || isSessionOver(deps, presented.claim)
}
