import Fastify from 'fastify'
import { createVerifier, requireToken } from '@latchkey/verify/fastify'

const issuer = 'http://localhost:3000' // ISSUER; also the audience, unless AUDIENCE is set
const verifier = createVerifier({ issuer, audience: issuer, freshness: 'strict' })

const app = Fastify()
app.addHook('onRequest', requireToken(verifier))
app.get('/', ({ access }) => `${access.sub}\n`)
await app.listen({ port: 4000 })
