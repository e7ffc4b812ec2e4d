import { readFileSync } from 'node:fs'
import type { FastifyReply } from 'fastify'
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

const CACHE_FOR = 'public, max-age=300'

// Each is read once a process: streamed, a file would stay open for a client that reads no answer.
const read = (file: string) => readFileSync(new URL(import.meta.resolve(file)))
const DOCUMENT = read('#openapi/openapi.json').toString()
const ADMIN_DOCUMENT = read('#openapi/admin.json').toString()
const ASSETS = [
  ['start.js', 'text/javascript', START],
  ['swagger-ui.css', 'text/css', read('swagger-ui-dist/swagger-ui.css')],
  ['swagger-ui-bundle.js', 'text/javascript', read('swagger-ui-dist/swagger-ui-bundle.js')],
] as const

/** GET /openapi.json, the committed contract, and GET /docs, a page to try it. The page loads nothing from other servers. */
export function serveDocs(app: App): void {
  app.route({
    method: 'GET',
    ...openToAnyPage(app, '/openapi.json'),
    handler: async (_request, reply) => sendDocument(reply, DOCUMENT),
  })
  app.get('/docs', async (_request, reply) => reply.type('text/html').header('content-security-policy', CSP).send(PAGE))
  for (const [file, type, content] of ASSETS)
    app.get(`/docs/${file}`, async (_request, reply) =>
      reply.type(type).header('cache-control', CACHE_FOR).send(content),
    )
}

/** GET /openapi.json of the operator's listener, the committed contract. */
export function serveAdminDocument(app: App): void {
  app.get('/openapi.json', async (_request, reply) => sendDocument(reply, ADMIN_DOCUMENT))
}

const sendDocument = (reply: FastifyReply, document: string) =>
  reply.type('application/json').header('cache-control', CACHE_FOR).send(document)
