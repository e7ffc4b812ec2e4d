// A service that is protected by the package.
import { createVerifier, requireToken } from '@latchkey/verify/fastify'
import Fastify from 'fastify'
import { headers, serve } from './serve.mjs'

const { ISSUER: issuer, LATCHKEY: baseUrl, FRESHNESS: freshness } = process.env
const verifier = createVerifier({ issuer, audience: issuer, freshness, baseUrl })
const app = Fastify({ keepAliveTimeout: 65_000 })

app.get('/v1/verify', { onRequest: requireToken(verifier) }, ({ access }, reply) => {
  reply
    .code(204)
    .headers({ ...headers, 'x-auth-subject': access.sub, 'x-auth-session': access.sid })
    .send()
})

await serve(app)
