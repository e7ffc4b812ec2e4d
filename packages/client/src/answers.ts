import { Refused, Unavailable } from './errors.js'

/** An account, as the contract says it. */
export interface User {
  readonly id: string
  readonly email: string
  readonly email_verified: boolean
  readonly created_at: string
  readonly [more: string]: unknown
}

/** Tokens, as the contract says them; `refresh_token` only with the transport `body`. */
export interface Tokens {
  readonly access_token: string
  readonly expires_in: number
  readonly session_id: string
  readonly refresh_token?: string
  readonly user?: User
}

/** What has happened to the account: newest first, a page at a time. */
export interface Events {
  readonly events: readonly { readonly at: string; readonly event: string; readonly [more: string]: unknown }[]
  readonly next?: string
}

/** Whether this is the body that was asked for: JSON, or the status of an answer without any. */
export type Expected<Body> = (body: any) => body is Body

/** Its body, if the answer is the service's. Throws Refused for a problem of it, Unavailable for whatever anybody else says. */
export async function read<Body>(answer: Response, isExpected: Expected<Body>): Promise<Body> {
  const { status, headers } = answer
  const text = await answer.text().catch(() => ' ') // cut off
  const body = text === '' ? status : parse(() => text)
  if (answer.ok && isExpected(body)) return body
  const isProblem = headers.get('content-type')?.startsWith('application/problem+json')
  if (isProblem && body?.code && status < 500 && status !== 429) throw new Refused(status, body)
  throw new Unavailable(status, Number(headers.get('retry-after')) || 1)
}

// A captive portal says JSON, too.
export const isTokens: Expected<Tokens> = (body): body is Tokens =>
  body?.access_token && body.session_id && body.expires_in > 0
export const isEvents: Expected<Events> = (body): body is Events => Array.isArray(body?.events)
export const isNothing: Expected<202 | 204> = (body): body is 202 | 204 => body === 202 || body === 204

/** What an access token says: only to show it; to check it is for services. */
export function claimsOf(token: string): { readonly [name: string]: any } {
  return parse(() => atob((token.split('.')[1] as string).replace(/-/g, '+').replace(/_/g, '/'))) ?? {}
}

function parse(text: () => string): any {
  try {
    return JSON.parse(text())
  } catch {
    return null
  }
}
