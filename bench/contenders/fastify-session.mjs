// Server-side sessions under Fastify. Nothing is written on a read: `rolling` is off, as verify prolongs nothing either.
import cookie from '@fastify/cookie'
import session from '@fastify/session'
import { RedisStore } from 'connect-redis'
import Fastify from 'fastify'
import { createClient } from 'redis'
import { headers, serve } from './serve.mjs'

const client = await createClient({ url: process.env.REDIS_URL }).connect()
const app = Fastify({ keepAliveTimeout: 65_000 })

await app.register(cookie)
await app.register(session, {
  secret: 'the-secret-of-a-benchmark-and-of-nothing-else',
  store: new RedisStore({ client, prefix: 'fastify-session:' }),
  cookie: { secure: false, maxAge: 3_600_000 },
  saveUninitialized: false,
  rolling: false,
})

app.post('/login', async (request, reply) => {
  request.session.user = headers['x-auth-subject']
  return reply.code(204).send()
})

app.get('/v1/verify', (request, reply) => {
  if (request.session.user === undefined) return reply.code(401).send()
  const own = { 'x-auth-subject': request.session.user, 'x-auth-session': request.session.sessionId }
  return reply
    .code(204)
    .headers({ ...headers, ...own })
    .send()
})

await serve(app)
