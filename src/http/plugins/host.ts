import { Problem } from '../problems.ts'
import type { App } from '../typed-app.ts'
import { headerLines } from './request-header-lines.ts'

/** `uri-host [":" port]`, RFC 9110 section 7.2; the name may be empty. */
const HOST = /^(?:\[[\da-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})*)(?::\d*)?$/i

/**
 * Refuses a request, and closes its connection, unless it has exactly one Host header of legal form, RFC 9112 section 3.2. HTTP/1.0
 * may do without.
 */
export function requireHost(app: App): void {
  app.addHook('onRequest', ({ raw }, reply, done) => {
    const [host, ...others] = headerLines(raw, 'host')
    const isRight = host === undefined ? raw.httpVersion === '1.0' : others.length === 0 && HOST.test(host)
    if (isRight) return done()
    void reply.header('connection', 'close')
    return done(new Problem('bad_request', { detail: 'The Host header is missing, or is none.' }))
  })
}
