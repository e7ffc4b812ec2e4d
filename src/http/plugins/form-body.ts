import type { FastifyRequest } from 'fastify'
import { readForm } from '../../domain/form.ts'
import { Problem } from '../problems.ts'
import type { App } from '../typed-app.ts'
import { refuseOtherType, textOf } from './json-body.ts'

/** The parameters that a request may have more than once: RFC 8707 section 2. */
const LISTS = ['resource']

/** Accepts forms only, in UTF-8 and without a content coding; any parameter that is there twice is refused, RFC 6749 section 3.2. */
export function acceptForms(scope: App): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser<Buffer>(
    'application/x-www-form-urlencoded',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, bytes: Buffer) => {
      const form = readForm(textOf(request, bytes), LISTS)
      if (form === null) throw new Problem('bad_request', { detail: 'A parameter is there twice.' })
      return form
    },
  )
  scope.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, refuseOtherType)
}
