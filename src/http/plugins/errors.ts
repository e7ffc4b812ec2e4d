import type { FastifyBaseLogger, FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors, type ZodFastifySchemaValidationError } from 'fastify-type-provider-zod'
import { Busy, StepUpRequired, TooMany } from '../../auth/errors.ts'
import { traceFields } from '../../domain/trace.ts'
import { StoreUnavailable } from '../../store/store.ts'
import { challengeOf, fieldFault, Problem, type ProblemCode, problemDocument, statusOf } from '../problems.ts'
import type { App } from '../typed-app.ts'
import type { SecurityHeaders } from './response-headers.ts'
import { spanOf } from './traces.ts'

const RETRY_AFTER_S = 1

/** Answers every error as a problem document, RFC 9457; logs those with a status of 500 or more. */
export function answerErrors(app: App, logger: FastifyBaseLogger): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    sendProblem(reply, judgeError(logger, error, request))
  })
}

/** The problem that an error is answered as; logs one with a status of 500 or more. */
export function judgeError(logger: FastifyBaseLogger, error: FastifyError, request: FastifyRequest): Problem {
  const problem = problemOf(error)
  if (statusOf(problem.code) >= 500) logFailure(logger, problem.code, error, request)
  return problem
}

/** Makes the answer, 404, to a URL that cannot be decoded or has too long a path segment. */
export function answerFrameworkErrors(headers: SecurityHeaders) {
  return (_error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void =>
    sendProblem(reply.headers(headers), new Problem('not_found'))
}

function logFailure(logger: FastifyBaseLogger, code: ProblemCode, err: Error, request: FastifyRequest): void {
  const level = code === 'internal' ? 'error' : 'warn'
  logger[level]({ err, code, request_id: request.id, ...traceFields(spanOf(request)) }, 'request failed')
}

function sendProblem(reply: FastifyReply, problem: Problem): void {
  const status = statusOf(problem.code)
  const { allow, acceptEncoding } = problem.details
  const retryAfter = retryAfterOf(problem)
  const challenge = challengeOf(problem.code)
  if (challenge !== null) void reply.header('www-authenticate', challenge)
  if (retryAfter !== undefined) void reply.header('retry-after', retryAfter)
  if (allow !== undefined) void reply.header('allow', allow.join(', '))
  if (acceptEncoding !== undefined) void reply.header('accept-encoding', acceptEncoding)
  void reply.code(status).type('application/problem+json').serializer(JSON.stringify).send(problemDocument(problem))
}

/** In how many seconds a client should come again; undefined: that is not said. */
export function retryAfterOf({ code, details: { retryAfter } }: Problem): number | undefined {
  return retryAfter ?? (statusOf(code) === 503 ? RETRY_AFTER_S : undefined)
}

/** The problem that an error is answered as. */
export function problemOf(error: FastifyError): Problem {
  if (error instanceof Problem) return error
  if (error instanceof StoreUnavailable) return new Problem('store_unavailable')
  if (error instanceof Busy) return new Problem('busy')
  if (error instanceof TooMany) return new Problem('too_many_requests', { retryAfter: secondsOf(error.leftMs) })
  if (error instanceof StepUpRequired)
    return new Problem('step_up_required', { maxAge: Math.floor(error.maxAgeMs / 1000), factors: error.factors })
  if (hasZodFastifySchemaValidationErrors(error)) {
    if (error.validationContext === 'params') return new Problem('not_found') // what has no such id is not there
    return new Problem('bad_request', { errors: error.validation.slice(0, 10).flatMap(fieldErrors) })
  }
  const { statusCode = 500 } = error
  if (statusCode === 413) return new Problem('too_large')
  if (statusCode === 415) return new Problem('unsupported_media_type')
  return new Problem(statusCode >= 400 && statusCode < 500 ? 'bad_request' : 'internal')
}

function secondsOf(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000))
}

function fieldErrors(error: ZodFastifySchemaValidationError): ReturnType<typeof fieldFault>[] {
  const { keyword: code, message, params } = error
  return faultsOf({ code, path: error.instancePath.split('/').slice(1), message, ...params })
}

/** What Zod finds wrong: `keys` are fields that there are not, `errors` what is wrong with each form that a body may have. */
interface Issue {
  readonly code: string
  readonly path: readonly PropertyKey[]
  readonly message?: string | undefined
  readonly keys?: readonly string[]
  readonly errors?: readonly (readonly Issue[])[]
}

/** Of a body that may have several forms, what is wrong with the one that comes nearest. */
function faultsOf({ code, path, message, keys = [], errors = [] }: Issue): ReturnType<typeof fieldFault>[] {
  const [nearest] = errors.map((form) => form.flatMap(faultsOf)).toSorted((one, other) => one.length - other.length)
  if (nearest !== undefined) return nearest
  const place = path.join('.')
  if (code !== 'unrecognized_keys') return [fieldFault(place, plain(place, message))]
  return keys.slice(0, 10).map((name) => fieldFault(name, 'is not a field of this request'))
}

/**
 * Says Zod's message in words for a client. A missing body is validated as null (a JSON null is refused before), a missing
 * member as undefined.
 */
function plain(path: string, message = 'is not acceptable'): string {
  const isMissing = message.endsWith(path === '' ? 'received null' : 'received undefined')
  return isMissing ? 'is missing' : message.replace(/^Invalid (input|option): /, '')
}
