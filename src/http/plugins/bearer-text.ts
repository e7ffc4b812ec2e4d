import type { FastifyRequest } from 'fastify'
import { Problem } from '../problems.ts'
import { headerLines } from './request-header-lines.ts'

/** The scheme ends at one space or more, RFC 9110 section 11.4; the parser has taken off the white space around the value. */
const SCHEME = /^bearer(?: +|$)/i

/**
 * The text after `Bearer` in the Authorization header, RFC 6750 section 2.1. Throws Problem: `no_token` if there is none,
 * `token_invalid` if there are two headers, of which neither is taken.
 */
export function bearerText({ raw }: FastifyRequest): string {
  const [header = '', ...others] = headerLines(raw, 'authorization')
  if (others.length > 0) throw new Problem('token_invalid')
  const scheme = SCHEME.exec(header)
  if (scheme === null) throw new Problem('no_token')
  return header.slice(scheme[0].length)
}
