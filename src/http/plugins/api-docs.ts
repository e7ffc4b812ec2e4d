import { readFileSync } from 'node:fs'
import type { App } from '../typed-app.ts'
import { openToAnyPage } from './cors.ts'

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Latchkey</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>`

const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#docs', deepLinking: true, persistAuthorization: false, validatorUrl: null })`

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"

const DOCUMENT = new URL(import.meta.resolve('#openapi/openapi.json'))
const ADMIN_DOCUMENT = new URL(import.meta.resolve('#openapi/admin.json'))
const ASSETS = import.meta.resolve('swagger-ui-dist/package.json')
const CACHE_FOR = 'public, max-age=300'

/** GET /openapi.json, the committed contract, and GET /docs, a page to try it. The page loads nothing from other servers. */
export function serveDocs(app: App): void {
  const document = readFileSync(DOCUMENT, 'utf8')

  app.route({
    method: 'GET',
    ...openToAnyPage(app, '/openapi.json'),
    handler: async (_request, reply) =>
      reply.type('application/json').header('cache-control', CACHE_FOR).send(document),
  })
  app.get('/docs', async (_request, reply) => reply.type('text/html').header('content-security-policy', CSP).send(PAGE))
  app.get('/docs/start.js', async (_request, reply) =>
    reply.type('text/javascript').header('cache-control', CACHE_FOR).send(START),
  )
  for (const [file, type] of [
    ['swagger-ui.css', 'text/css'],
    ['swagger-ui-bundle.js', 'text/javascript'],
  ] as const) {
    const content = readFileSync(new URL(file, ASSETS)) // read once: streamed, the file would stay open for a client that reads no answer
    app.get(`/docs/${file}`, async (_request, reply) =>
      reply.type(type).header('cache-control', CACHE_FOR).send(content),
    )
  }
}

/** GET /openapi.json of the operator's listener, the committed contract. */
export function serveAdminDocument(app: App): void {
  const document = readFileSync(ADMIN_DOCUMENT, 'utf8')
  app.get('/openapi.json', async (_request, reply) =>
    reply.type('application/json').header('cache-control', CACHE_FOR).send(document),
  )
}
