import type { FastifyRequest } from 'fastify'
import { findJsonFault } from '../../domain/json-text.ts'
import { fieldFault, Problem } from '../problems.ts'
import type { App } from '../typed-app.ts'

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

type ReadJson = (request: FastifyRequest, text: string) => Promise<unknown>

/**
 * Accepts JSON bodies only, in UTF-8 and without a content coding. Refuses names that pollute prototypes, a member named twice, and
 * a number that would change when it is stored. An empty body counts as none; `null` is refused.
 */
export function acceptJson(app: App): void {
  const readJson = makeReader(app)

  async function parseJson(request: FastifyRequest, bytes: Buffer): Promise<unknown> {
    return bytes.length === 0 ? undefined : readJson(request, textOf(request, bytes))
  }

  app.removeAllContentTypeParsers()
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, parseJson)
  app.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, refuseOtherType)
  app.addContentTypeParser<Buffer>(
    'application/merge-patch+json',
    { parseAs: 'buffer' },
    (request: FastifyRequest, bytes: Buffer) =>
      (request.method === 'PATCH' ? parseJson : refuseOtherType)(request, bytes),
  )
}

/** Accepts lines of JSON only, as one text. What is returned reads one, as strictly as any other body; it throws Problem. */
export function acceptJsonLines(scope: App): ReadJson {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser<Buffer>(
    'application/x-ndjson',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, bytes: Buffer) => textOf(request, bytes),
  )
  scope.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, refuseOtherType)
  return makeReader(scope)
}

function makeReader(app: App): ReadJson {
  const parse = app.getDefaultJsonParser('error', 'error')
  return async (request, text) => {
    const body = await new Promise((resolve, reject) => {
      void parse(request, text, (error, value) => (error === null ? resolve(value) : reject(error)))
    }).catch(refuseMalformed)
    const fault = body === null ? { path: [], message: 'expected object, received null' } : findJsonFault(text)
    if (fault === null) return body
    throw new Problem('bad_request', { errors: [fieldFault(fault.path.join('.'), fault.message)] })
  }
}

const ENCODED = 'Send the body as it is, without a Content-Encoding.'

/** Whether the body has a content coding, RFC 9110 section 8.4. `identity` means none. */
function isEncoded({ headers }: FastifyRequest): boolean {
  const codings = headers['content-encoding']?.split(',') ?? []
  return codings.some((coding) => !/^\s*(identity\s*)?$/i.test(coding))
}

/** Refuses a body of a type that is not taken; an empty one counts as none. */
export async function refuseOtherType(_request: FastifyRequest, bytes: Buffer): Promise<undefined> {
  if (bytes.length > 0) throw new Problem('unsupported_media_type')
}

/** The text of a body in UTF-8. Throws Problem if it is none, or has a content coding. */
export function textOf(request: FastifyRequest, bytes: Buffer): string {
  if (isEncoded(request)) throw new Problem('unsupported_media_type', { detail: ENCODED, acceptEncoding: 'identity' })
  try {
    return UTF8.decode(bytes)
  } catch {
    return refuseMalformed()
  }
}

function refuseMalformed(): never {
  throw new Problem('bad_request', {
    detail: 'The body is not what its type says, or has members that no object should have.',
  })
}
