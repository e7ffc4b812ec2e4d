import type { FastifyRequest } from 'fastify'
import { type Credential, isSessionOver } from '../../../auth/sessions/logout.ts'
import type { Deps } from '../../../deps.ts'
import { unsealRefreshToken } from '../../../domain/refresh-token.ts'
import type { Transport } from '../../../domain/session.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'

/** What the client shows that is ours, in the order in which it counts; the cookie only where nothing else is. Refuses where nothing is shown. */
export async function readCredentials(
  edge: CookieEdge,
  request: FastifyRequest,
  sent: string | undefined,
): Promise<readonly Credential[]> {
  const { deps, bearer, cookie, refuseCrossSite } = edge
  const inBody = sent === undefined ? undefined : refreshCredential(deps, sent, 'body')
  const inHeader = await bearer.identify(request).catch(unlessAbsent)
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
export function readCookie({ deps, cookie }: CookieEdge, request: FastifyRequest): RefreshCredential | null {
  return refreshCredential(deps, cookie.read(request) ?? '', 'cookie')
}

type RefreshCredential = Extract<Credential, { kind: 'refresh' }>

function refreshCredential(deps: Deps, token: string, transport: Transport): RefreshCredential | null {
  const claim = unsealRefreshToken(deps.authKeys, token)
  return claim?.transport === transport ? { kind: 'refresh', claim } : null
}

function isOurs(credential: Credential | null | undefined): credential is Credential {
  return credential !== null && credential !== undefined
}

function unlessAbsent(error: unknown): undefined | null {
  if (error instanceof Problem && error.code === 'no_token') return undefined
  if (error instanceof Problem && error.code === 'token_invalid') return null
  throw error
}

/** Whether the cookie is good for nothing: none of ours, or of a session that is over, by this logout or by something else. */
export async function isCookieDead({ deps, cookie }: CookieEdge, request: FastifyRequest): Promise<boolean> {
  const token = cookie.readOnly(request)
  if (token === undefined) return false
  const credential = refreshCredential(deps, token, 'cookie')
  return credential === null || isSessionOver(deps, credential.claim)
}
