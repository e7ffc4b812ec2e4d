// The twenty lines of jose that one writes by hand.
import Fastify from 'fastify'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { headers, serve } from './serve.mjs'

const { ISSUER: issuer, LATCHKEY } = process.env
const keys = createRemoteJWKSet(new URL(`${LATCHKEY}/.well-known/jwks.json`))
const rules = { issuer, audience: issuer, typ: 'at+jwt', algorithms: ['ES256'], clockTolerance: 10 }
const app = Fastify({ keepAliveTimeout: 65_000 })

app.get('/v1/verify', async (request, reply) => {
  const [, token = ''] = /^Bearer +(.+)$/i.exec(request.headers.authorization) ?? []
  const { payload } = await jwtVerify(token, keys, rules)
  return reply
    .code(204)
    .headers({ ...headers, 'x-auth-subject': payload.sub, 'x-auth-session': payload.sid })
    .send()
})

await serve(app)
