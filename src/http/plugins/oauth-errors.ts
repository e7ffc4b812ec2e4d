import type { FastifyBaseLogger, FastifyError, FastifyReply } from 'fastify'
import { type Problem, statusOf } from '../problems.ts'
import type { App } from '../typed-app.ts'
import { judgeError, retryAfterOf } from './errors.ts'

/** The status of each code: RFC 6749 sections 4.1.2.1 and 5.2, RFC 8707 section 2. */
const STATUSES = {
  invalid_request: 400,
  invalid_client: 401,
  invalid_grant: 400,
  invalid_scope: 400,
  invalid_target: 400,
  unsupported_grant_type: 400,
  temporarily_unavailable: 503,
  server_error: 500,
} as const

/** The code of a refusal, for programs. */
export type OauthErrorCode = keyof typeof STATUSES
export const OAUTH_ERRORS = Object.keys(STATUSES) as readonly OauthErrorCode[]

/** What a refusal says otherwise than its code does by itself: another status, and in how many seconds to come again. */
interface Exceptions {
  readonly status?: number
  readonly retryAfter?: number
}

/** A refusal of the routes of OAuth: thrown there, answered as RFC 6749 section 5.2 says. */
export class OauthError extends Error {
  override readonly name = 'OauthError'
  readonly code: OauthErrorCode
  /** What is wrong, for people: ASCII without quotes and backslashes, and never a value that was sent. */
  readonly description: string | undefined
  readonly status: number
  /** Seconds to wait. */
  readonly retryAfter: number | undefined

  constructor(code: OauthErrorCode, description?: string, { status, retryAfter }: Exceptions = {}) {
    super(code)
    this.code = code
    this.description = description
    this.status = status ?? STATUSES[code]
    this.retryAfter = retryAfter
  }
}

/** Answers every error of the routes of this scope as JSON of OAuth; logs those with a status of 500 or more. */
export function answerOauthErrors(scope: App, logger: FastifyBaseLogger): void {
  scope.setErrorHandler((error: FastifyError, request, reply) => {
    sendError(reply, error instanceof OauthError ? error : oauthErrorOf(judgeError(logger, error, request)))
  })
}

function sendError(reply: FastifyReply, { code, description, status, retryAfter }: OauthError): void {
  if (status === 401) void reply.header('www-authenticate', 'Basic realm="latchkey"')
  if (retryAfter !== undefined) void reply.header('retry-after', retryAfter)
  const body = { error: code, ...(description === undefined ? {} : { error_description: description }) }
  void reply.code(status).type('application/json').serializer(JSON.stringify).send(body)
}

/** What every route may refuse, in the words of OAuth: it has no code of its own for a limit, nor for a body that is too large. */
function oauthErrorOf(problem: Problem): OauthError {
  const status = statusOf(problem.code)
  if (status === 500) return new OauthError('server_error')
  const retryAfter = retryAfterOf(problem)
  if (retryAfter !== undefined) return new OauthError('temporarily_unavailable', undefined, { status, retryAfter })
  const description = descriptionOf(problem)
  return new OauthError('invalid_request', description, status === 413 ? { status } : {})
}

function descriptionOf({ code, details: { detail, errors = [] } }: Problem): string | undefined {
  if (code === 'unsupported_media_type') return 'Send a form: application/x-www-form-urlencoded.'
  const [fault] = errors
  return fault === undefined
    ? detail
    : `${fault.path} ${fault.message}`.replaceAll(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '')
}
