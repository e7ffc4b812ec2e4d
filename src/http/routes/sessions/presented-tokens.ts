import type { FastifyRequest } from 'fastify'
import { isSessionOver } from '../../../auth/sessions/logout.ts'
import { type Presented, type PresentedRefreshToken, readRefreshToken } from '../../../auth/tokens/presented.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'

/**
 * What the client shows that is ours, in the order in which it counts; the cookie only where nothing else is. Refuses where
 * nothing is shown.
 */
export async function readPresented(
  edge: CookieEdge,
  request: FastifyRequest,
  sent: string | undefined,
): Promise<readonly Presented[]> {
  const { deps, bearer, cookie, refuseCrossSite } = edge
  const inBody = sent === undefined ? undefined : readRefreshToken(deps, sent, 'body')
  const inHeader = await bearer.readNamingToken(request).catch(unlessAbsent)
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

/** The refresh token in the cookie, if it is ours. Refuses two cookies of the name. */
export function readCookie({ deps, cookie }: CookieEdge, request: FastifyRequest): PresentedRefreshToken | null {
  return readRefreshToken(deps, cookie.read(request) ?? '', 'cookie')
}

function isOurs(presented: Presented | null | undefined): presented is Presented {
  return presented !== null && presented !== undefined
}

function unlessAbsent(error: unknown): undefined | null {
  if (error instanceof Problem && error.code === 'no_token') return undefined
  if (error instanceof Problem && error.code === 'token_invalid') return null
  throw error
}

/** Whether the cookie is good for nothing: none of ours, or of a session that is over, by this logout or by something else. */
export async function isCookieDead({ deps, cookie }: CookieEdge, request: FastifyRequest): Promise<boolean> {
  const text = cookie.readOnly(request)
  if (text === undefined) return false
  const presented = readRefreshToken(deps, text, 'cookie')
  return presented === null || isSessionOver(deps, presented.claim)
}
