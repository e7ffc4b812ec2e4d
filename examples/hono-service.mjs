import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createVerifier, requireToken } from '@latchkey/verify/hono'

const issuer = 'http://localhost:3000' // ISSUER; also the audience, unless AUDIENCE is set
const verifier = createVerifier({ issuer, audience: issuer, freshness: 'strict' })

const app = new Hono()
app.use(requireToken(verifier))
app.get('/', (c) => c.text(`${c.get('access').sub}\n`))
serve({ fetch: app.fetch, port: 4000 })
