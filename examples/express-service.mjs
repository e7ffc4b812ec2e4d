import express from 'express'
import { createVerifier, requireToken } from '@latchkey/verify/express'

const issuer = 'http://localhost:3000' // ISSUER; also the audience, unless AUDIENCE is set
const verifier = createVerifier({ issuer, audience: issuer, freshness: 'strict' })

const app = express()
app.use(requireToken(verifier))
app.get('/', ({ access }, response) => response.send(`${access.sub}\n`))
app.listen(4000)
