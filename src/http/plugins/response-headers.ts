import type { App } from '../typed-app.ts'

const ALWAYS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** The headers of every answer; a route may replace Cache-Control and Content-Security-Policy. */
export type SecurityHeaders = Readonly<Record<string, string>>

/** Makes the headers. `hsts` is the value of Strict-Transport-Security, RFC 6797 section 6.1; `off`: a proxy sets it. */
export function makeSecurityHeaders(hsts: string): SecurityHeaders {
  return hsts === 'off' ? ALWAYS : { ...ALWAYS, 'strict-transport-security': hsts }
}

/** Sets the headers before anything can answer. While the process stops, answers also ask clients to close the connection. */
export function setSecurityHeaders(app: App, headers: SecurityHeaders, isDraining: () => boolean): void {
  app.addHook('onRequest', (_request, reply, done) => {
    void reply.headers(headers)
    done()
  })
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (isDraining()) void reply.header('connection', 'close')
    done(null, payload)
  })
}
