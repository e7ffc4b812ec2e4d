// What one writes first: @fastify/jwt, with its cache of verified tokens on, and a denylist asked key by key.
import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { headers, serve } from './serve.mjs'

const redis = new Redis(process.env.REDIS_URL)
const app = Fastify({ keepAliveTimeout: 65_000 })

await app.register(jwt, {
  secret: { public: process.env.PUBLIC_KEY },
  verify: { algorithms: ['ES256'], cache: 10_000 },
})

app.get('/v1/verify', async (request, reply) => {
  const claims = await request.jwtVerify()
  if ((await redis.get(`denied-token:${claims.jti}`)) !== null) return reply.code(401).send()
  if ((await redis.get(`denied-session:${claims.sid}`)) !== null) return reply.code(401).send()
  if (claims.gen < Number(await redis.get(`denied-below:${claims.sub}`))) return reply.code(401).send()
  return reply
    .code(204)
    .headers({ ...headers, 'x-auth-subject': claims.sub, 'x-auth-session': claims.sid })
    .send()
})

await serve(app)
