import type { FastifyRequest } from 'fastify'
import { isPlainJson } from '../domain/json-text.ts'
import { Problem } from '../problems.ts'
import type { App } from './app.ts'

/** Accepts JSON bodies only: no prototype pollution, no member named twice; an empty body is no body. */
export function acceptJson(app: App): void {
  const parse = app.getDefaultJsonParser('error', 'error')

  async function parseJson(request: FastifyRequest, text: string): Promise<unknown> {
    if (text === '') return undefined
    const body = await new Promise((resolve, reject) => {
      void parse(request, text, (error, value) => (error === null ? resolve(value) : reject(error)))
    }).catch(() => {
      throw new Problem('bad_request', { detail: 'The body is not JSON.' })
    })
    if (!isPlainJson(text)) throw new Problem('bad_request', { detail: 'The JSON is ambiguous or too deep.' })
    return body
  }

  app.removeAllContentTypeParsers()
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, parseJson)
  app.addContentTypeParser<string>(
    'application/merge-patch+json',
    { parseAs: 'string' },
    async (request: FastifyRequest, text: string) => {
      if (request.method !== 'PATCH') throw new Problem('unsupported_media_type')
      return parseJson(request, text)
    },
  )
}
