import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Answer } from '../support/home.ts'

/** A piece of an OpenAPI document. */
export type Tree = Record<string, any>

/** One operation, with how to tell its requests from others. */
export interface Operation {
  readonly id: string
  readonly method: string
  readonly url: string
  readonly path: RegExp
  readonly pointer: string
  readonly tree: Tree
}

/** What the document says, to be held against what the service does. */
export interface Contract {
  readonly operations: readonly Operation[]
  readonly find: (method: string, path: string) => Operation | undefined
  /** All that an operation may answer: statuses, and instead of a status that has problem codes, those. */
  readonly answers: (operation: Operation) => readonly string[]
  /** What is wrong with an answer, in words; empty: it is as documented, and nothing in it is undocumented. */
  readonly complaints: (operation: Operation, answer: Answer) => readonly string[]
  /** What is wrong with the body of a request that the service has taken. */
  readonly bodyComplaints: (operation: Operation, body: unknown) => readonly string[]
}

/** The headers an answer may have only where the document says so. */
const TOLD = [
  'set-cookie',
  'etag',
  'retry-after',
  'accept-encoding',
  'www-authenticate',
  'x-auth-subject',
  'x-auth-session',
  'x-auth-roles',
  'x-auth-acr',
  'x-auth-time',
  'allow',
]

type Header = string | readonly string[] | undefined

/** Reads a document; nothing here knows zod or the routes. */
export function readContract(document: Tree): Contract {
  const ajv = new Ajv2020({ strict: false, allErrors: true, coerceTypes: false })
  ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
  ajv.addSchema(document, 'contract', false, false)
  const operations = Object.entries<Tree>(document['paths']).flatMap(([url, item]) =>
    Object.entries<Tree>(item).map(([method, tree]) => operationOf(url, method, tree)),
  )

  const resolve = (tree: Tree): Tree =>
    tree['$ref'] === undefined
      ? tree
      : tree['$ref']
          .slice(2)
          .split('/')
          .reduce((at: Tree, key: string) => at[key], document)

  /** What is wrong with a value, by the schema at this place of the document. */
  function invalid(pointer: string, value: unknown, what: string): string[] {
    const validate = ajv.getSchema(`contract#${pointer}`)
    if (validate === undefined) return [`${what} has no schema`]
    if (validate(value) === true) return []
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${what}${instancePath} ${message} ${JSON.stringify(params)}`,
    )
  }

  function headerComplaints(documented: Tree, { headers }: Answer): string[] {
    const known = new Set(Object.keys(documented).map((name) => name.toLowerCase()))
    const undocumented = TOLD.filter((name) => headers[name] !== undefined && !known.has(name))
    const isKeepable = headers['cache-control'] !== 'no-store' && !known.has('cache-control')
    return [
      ...undocumented.map((name) => `the header ${name} is not documented`),
      ...(isKeepable ? ['the answer is not no-store'] : []),
      ...Object.entries<Tree>(documented).flatMap(([name, entry]) =>
        oneHeader(name, resolve(entry), headers[name.toLowerCase()]),
      ),
    ]
  }

  function oneHeader(name: string, { required, schema }: Tree, value: Header): string[] {
    if (value === undefined) return required ? [`the header ${name} is missing`] : []
    const read = schema.type === 'integer' ? Number(value) : String(value)
    return ajv.validate(schema, read) ? [] : [`the header ${name} is ${String(value)}`]
  }

  function bodyOf(response: Tree, pointer: string, { headers, body }: Answer): string[] {
    const type = String(headers['content-type'] ?? '').split(';')[0]
    if (response['content'] === undefined) return body === '' ? [] : ['there is a body']
    if (response['content'][type as string] === undefined) return [`the type ${type} is not documented`]
    return invalid(`${pointer}/content/${escape(type as string)}/schema`, body, 'body')
  }

  return {
    operations,
    find: (method, path) => operations.find((one) => one.method === method && one.path.test(path)),
    answers: ({ tree }) =>
      Object.entries<Tree>(tree['responses']).flatMap(([status, response]) => {
        const codes = codesOf(resolve(response))
        return isProblemOnly(resolve(response)) ? codes : [status].concat(codes)
      }),
    complaints(operation, answer) {
      const entry = operation.tree['responses'][answer.status]
      if (entry === undefined) return [`the status ${answer.status} is not documented`]
      const response = resolve(entry)
      const pointer = entry.$ref?.slice(1) ?? `${operation.pointer}/responses/${answer.status}`
      const codes = codesOf(response)
      const isKnown = !isProblem(answer) || codes.includes(answer.body.code)
      return [
        ...(isKnown ? [] : [`the code ${answer.body.code} is not documented for ${answer.status}`]),
        ...headerComplaints(response['headers'] ?? {}, answer),
        ...bodyOf(response, pointer, answer),
      ]
    },
    bodyComplaints({ tree, pointer }, body) {
      if (tree['requestBody'] === undefined) return ['there is a body']
      return Object.keys(tree['requestBody'].content).flatMap((type) =>
        invalid(`${pointer}/requestBody/content/${escape(type)}/schema`, body, type),
      )
    },
  }
}

/** The problem codes a response may have; empty: it is no problem. */
function codesOf(response: Tree): string[] {
  return Object.keys(response['content']?.['application/problem+json']?.examples ?? {})
}

function isProblemOnly(response: Tree): boolean {
  return Object.keys(response['content'] ?? {}).join() === 'application/problem+json'
}

function isProblem({ headers }: Answer): boolean {
  return String(headers['content-type']).startsWith('application/problem+json')
}

function operationOf(url: string, method: string, tree: Tree): Operation {
  const path = new RegExp(`^${url.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`)
  return {
    id: tree['operationId'],
    method: method.toUpperCase(),
    url,
    path,
    pointer: `/paths/${escape(url)}/${method}`,
    tree,
  }
}

/** RFC 6901 in a URI fragment. */
function escape(key: string): string {
  return encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))
}
