import type { FastifyReply } from 'fastify'
import {
  type Document,
  patchDocument,
  type Place,
  preferences,
  readDocument,
  sessionData,
} from '../../../documents/documents.ts'
import { sessionOf } from '../../../domain/access-token.ts'
import { isMatch } from '../../../domain/entity-tag.ts'
import type { JsonObject } from '../../../domain/merge-patch.ts'
import type { SessionName } from '../../../domain/session.ts'
import type { Edge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import type { App } from '../../typed-app.ts'
import { BODY_PROBLEMS, TOKEN_PROBLEMS, problems } from '../problem-schemas.ts'
import { JsonDocument, MergePatch } from '../schemas.ts'

const REFUSALS = { over: 'token_revoked', mismatch: 'precondition_failed', too_large: 'too_large' } as const

const read = {
  security: [{ bearer: [] }],
  response: {
    200: JsonDocument.meta({ description: 'The whole object.', headers: ['ETag'] }),
    ...problems(...TOKEN_PROBLEMS, 'too_many_requests', 'store_unavailable'),
  },
}

const patch = {
  security: [{ bearer: [] }],
  body: MergePatch,
  response: {
    200: JsonDocument.meta({ description: 'The whole new object.', headers: ['ETag'] }),
    ...problems(
      ...TOKEN_PROBLEMS,
      ...BODY_PROBLEMS,
      'precondition_failed',
      'too_many_requests',
      'busy',
      'store_unavailable',
    ),
  },
}

/** GET and PATCH of /v1/session/data and /v1/me/preferences */
export function documentRoutes(app: App, edge: Edge): void {
  addDocument(app, edge, {
    url: '/v1/session/data',
    placeOf: sessionData,
    names: ['readSessionData', 'patchSessionData'],
    what: "the session's own data: a cart, a draft",
  })
  addDocument(app, edge, {
    url: '/v1/me/preferences',
    placeOf: preferences,
    names: ['readPreferences', 'patchPreferences'],
    what: "the user's preferences: settings that follow a person to every device",
  })
}

interface DocumentRoute {
  readonly url: string
  readonly placeOf: (self: SessionName) => Place
  readonly names: readonly [string, string]
  readonly what: string
}

function addDocument(
  app: App,
  { deps, bearer, limitPerAddress }: Edge,
  { url, placeOf, names, what }: DocumentRoute,
): void {
  const onRequest = [limitPerAddress('api'), bearer.requireToken]
  app.route({
    method: 'GET',
    url,
    schema: { ...read, operationId: names[0], tags: ['Data'], summary: `Read ${what}`, description: '`{}` at first.' },
    onRequest,
    async handler(request, reply) {
      return answer(reply, await readDocument(deps, placeOf(sessionOf(request.token.claims))))
    },
  })

  app.route({
    method: 'PATCH',
    url,
    schema: {
      ...patch,
      operationId: names[1],
      tags: ['Data'],
      summary: `Change ${what}`,
      description:
        'A JSON merge patch. Concurrent patches are merged one after the other; with If-Match a lost race is 412.',
    },
    onRequest,
    async handler(request, reply) {
      const ifMatch = request.headers['if-match']
      const isWanted = (etag: string) => ifMatch === undefined || isMatch(ifMatch, etag)
      const place = placeOf(sessionOf(request.token.claims))
      const result = await patchDocument(deps, place, request.body as JsonObject, isWanted)
      if (result.kind !== 'ok') throw new Problem(REFUSALS[result.kind])
      return answer(reply, result.document)
    },
  })
}

function answer(reply: FastifyReply, { value, etag }: Document): JsonObject {
  void reply.header('etag', etag)
  return value
}
