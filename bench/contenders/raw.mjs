// The limit: a Fastify route that checks nothing and answers the same bytes as GET /v1/verify.
import Fastify from 'fastify'
import { headers, serve } from './serve.mjs'

const app = Fastify({ keepAliveTimeout: 65_000 })

app.get('/v1/verify', (_request, reply) => {
  reply.code(204).headers(headers).send()
})

await serve(app)
