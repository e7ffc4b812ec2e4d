import type { FastifyRequest } from 'fastify'
import { isPlainJson } from '../domain/json-text.ts'
import { Problem } from '../problems.ts'
import type { App } from './app.ts'

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Accepts JSON bodies only, in UTF-8: no prototype pollution, no member named twice; an empty body is no body. */
export function acceptJson(app: App): void {
  const parse = app.getDefaultJsonParser('error', 'error')

  async function parseJson(request: FastifyRequest, bytes: Buffer): Promise<unknown> {
    if (bytes.length === 0) return undefined
    const text = decode(bytes)
    const body = await new Promise((resolve, reject) => {
      void parse(request, text, (error, value) => (error === null ? resolve(value) : reject(error)))
    }).catch(refuse)
    if (!isPlainJson(text)) throw new Problem('bad_request', { detail: 'The JSON is ambiguous or too deep.' })
    return body
  }

  app.removeAllContentTypeParsers()
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, parseJson)
  app.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, refuseOthers)
  app.addContentTypeParser<Buffer>(
    'application/merge-patch+json',
    { parseAs: 'buffer' },
    (request: FastifyRequest, bytes: Buffer) => (request.method === 'PATCH' ? parseJson : refuseOthers)(request, bytes),
  )
}

async function refuseOthers(_request: FastifyRequest, bytes: Buffer): Promise<undefined> {
  if (bytes.length > 0) throw new Problem('unsupported_media_type')
}

function decode(bytes: Buffer): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    return refuse()
  }
}

function refuse(): never {
  throw new Problem('bad_request', { detail: 'The body is not JSON, or has members that no object should have.' })
}
