import type { App } from '../typed-app.ts'

const ALWAYS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** On every answer; a route may set its own Cache-Control and Content-Security-Policy afterwards. */
export type SecurityHeaders = Readonly<Record<string, string>>

/** Makes them for HSTS: the value of that header, RFC 6797 section 6.1, or `off` where a proxy sets it. */
export function makeSecurityHeaders(hsts: string): SecurityHeaders {
  return hsts === 'off' ? ALWAYS : { ...ALWAYS, 'strict-transport-security': hsts }
}

/** Sets the headers before anything can answer; while the process drains, asks clients to connect elsewhere. */
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
