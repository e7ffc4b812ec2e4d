import { z } from 'zod'
import type { KnownRoute } from '../src/http/plugins/unknown-routes.ts'
import type { ProblemCode } from '../src/http/problems.ts'
import { PROBLEM_CODES, Problem, problemDocument, statusOf } from '../src/http/problems.ts'
import { ProblemDocument } from '../src/http/routes/problem-schemas.ts'
import type { Components, Tree } from './components.ts'
import { schemaOf } from './components.ts'
import { headersOf } from './headers.ts'
import { PAGES } from './page-texts.ts'
import { IF_MATCH, PROBLEM_DETAILS } from './texts.ts'

/** What our routes say of themselves in `schema`. */
interface RouteSchema {
  readonly operationId: string
  readonly tags: readonly string[]
  readonly summary: string
  readonly description: string
  readonly security?: readonly Tree[]
  readonly params?: z.ZodObject
  readonly querystring?: z.ZodObject
  readonly body?: z.ZodType
  readonly response: Record<number, z.ZodType>
}

/** What a schema says of the body or the answer around it. `contentType` is application/json unless it says otherwise. */
interface AnswerMeta {
  readonly description?: string
  readonly contentType?: string
  readonly headers?: readonly string[]
  readonly problemCodes?: readonly ProblemCode[]
}

/** What the HTTP parser may answer before any route is reached. */
const PARSER_REFUSALS: ReadonlySet<ProblemCode> = new Set(['bad_request', 'request_timeout', 'headers_too_large'])

/** The operation of a route, from its schema. */
export function operationOf(components: Components, { url, method, schema }: KnownRoute): Tree {
  if (schema === undefined) return pageOperation(components, url)
  const told = schema as unknown as RouteSchema
  const { operationId, tags, summary, description, security, params, querystring, body, response } = told
  const { answers, refusals } = readResponses(response)
  const parameters = [
    ...pathParameters(components, params),
    ...queryParameters(components, querystring),
    ...(refusals.has('precondition_failed') ? [ifMatch(components)] : []),
  ]
  return {
    operationId,
    tags,
    summary,
    description,
    security: security ?? [],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: requestBody(components, body, method) }),
    responses: {
      ...problemResponses(components, refusals),
      ...Object.fromEntries(answers.map((answer) => statusAndResponse(components, answer))),
    },
  }
}

/** Where a route answers 400 in a form of its own, the HTTP parser, which knows no routes, still answers a problem. */
function statusAndResponse(components: Components, [status, answer]: [string, z.ZodType]): [string, Tree] {
  const response = answerResponse(components, answer)
  if (status !== '400') return [status, response]
  const { content } = problemResponse(components, ['bad_request'], [])
  return [status, { ...response, content: { ...(response['content'] as Tree), ...(content as Tree) } }]
}

/** Routes without a schema: what they answer is no JSON of ours. */
function pageOperation(components: Components, url: string): Tree {
  const page = PAGES[url]
  if (page === undefined) throw new Error(`${url} has no schema`)
  const { type, headers, tag = 'Docs', ...texts } = page
  const content = { [type]: { schema: { type: type === 'application/json' ? 'object' : 'string' } } }
  const refusals = new Map<ProblemCode, readonly string[]>([['internal', []]])
  return {
    ...texts,
    tags: [tag],
    security: [],
    responses: {
      200: { description: texts.summary, ...headersOf(components, headers), content },
      ...problemResponses(components, refusals),
    },
  }
}

/** The refusals a route may answer, each with the headers besides the usual. */
type Refusals = ReadonlyMap<ProblemCode, readonly string[]>

function readResponses(response: Record<number, z.ZodType>): { answers: [string, z.ZodType][]; refusals: Refusals } {
  const answers = Object.entries(response).filter(([, schema]) => metaOf(schema).problemCodes === undefined)
  const refusals = Object.values(response)
    .map(metaOf)
    .flatMap(({ problemCodes = [], headers = [] }) => problemCodes.map((code) => [code, headers] as const))
  return { answers, refusals: new Map(refusals) }
}

function metaOf(schema: z.ZodType): AnswerMeta {
  return (schema.meta() ?? {}) as AnswerMeta
}

function pathParameters(components: Components, params: z.ZodObject | undefined): Tree[] {
  return Object.entries(params?.shape ?? {}).map(([name, field]) => {
    const { description, ...schema } = schemaOf(components, field as z.ZodType, 'input')
    return { name, in: 'path', required: true, description, schema }
  })
}

function queryParameters(components: Components, query: z.ZodObject | undefined): Tree[] {
  return Object.entries(query?.shape ?? {}).map(([name, field]) => {
    const { description, examples, ...schema } = schemaOf(components, field as z.ZodType, 'input')
    const [example] = (examples ?? []) as readonly unknown[]
    const parameter = { name, in: 'query', required: false, description, schema }
    return example === undefined ? parameter : Object.assign(parameter, { example })
  })
}

function ifMatch(components: Components): Tree {
  return components.refer('parameters', 'If-Match', () => ({
    name: 'If-Match',
    in: 'header',
    required: false,
    ...IF_MATCH,
  }))
}

function requestBody(components: Components, body: z.ZodType, method: string): Tree {
  const schema = schemaOf(components, body, 'input')
  const { contentType = 'application/json' } = metaOf(body)
  const types = method === 'PATCH' ? ['application/merge-patch+json', 'application/json'] : [contentType]
  return {
    required: !body.safeParse(undefined).success,
    content: Object.fromEntries(types.map((type) => [type, { schema }])),
  }
}

function answerResponse(components: Components, answer: z.ZodType): Tree {
  const { description, headers, contentType = 'application/json' } = metaOf(answer)
  const isEmpty = answer instanceof z.ZodUndefined
  return {
    description,
    ...headersOf(components, headers),
    ...(isEmpty ? {} : { content: { [contentType]: { schema: schemaOf(components, answer, 'output') } } }),
  }
}

/** One response a status, with all its codes; those of the HTTP parser are every route's. */
function problemResponses(components: Components, refusals: Refusals): Tree {
  const codes = PROBLEM_CODES.filter((code) => refusals.has(code) || PARSER_REFUSALS.has(code))
  const statuses = [...new Set(codes.map(statusOf))]
  return Object.fromEntries(
    statuses.map((status) => {
      const group = codes.filter((code) => statusOf(code) === status)
      const headers = [...new Set(group.flatMap((code) => refusals.get(code) ?? []))]
      const name = [...group, ...headers].join('.')
      return [status, components.refer('responses', name, () => problemResponse(components, group, headers))]
    }),
  )
}

/** The headers that every problem of a status may have. */
const USUAL_HEADERS: Record<number, readonly string[]> = {
  401: ['WWW-Authenticate'],
  415: ['Accept-Encoding'],
  429: ['Retry-After'],
  503: ['Retry-After'],
}

function problemResponse(components: Components, codes: readonly ProblemCode[], headers: readonly string[]): Tree {
  const [status] = codes.map(statusOf)
  const usual = USUAL_HEADERS[status ?? 0] ?? []
  const content = {
    schema: schemaOf(components, ProblemDocument, 'output'),
    examples: Object.fromEntries(
      codes.map((code) => [
        code,
        components.refer('examples', code, () => ({
          summary: titleOf(code),
          value: problemDocument(new Problem(code, PROBLEM_DETAILS[code])),
        })),
      ]),
    ),
  }
  return {
    description: codes.map((code) => `\`${code}\`: ${titleOf(code)}`).join(' '),
    ...headersOf(components, [...usual, ...headers]),
    content: { 'application/problem+json': content },
  }
}

/** What a code means, in one sentence. */
export function titleOf(code: ProblemCode): string {
  return problemDocument(new Problem(code)).title
}
