// Express with Auth0's middleware, as its README sets it up for any issuer.
import express from 'express'
import { auth } from 'express-oauth2-jwt-bearer'
import { headers } from './serve.mjs'

const { ISSUER: issuer, LATCHKEY } = process.env
const app = express()

app.disable('x-powered-by')
app.get('/livez', (_request, response) => response.send('alive'))
app.use(auth({ issuer, audience: issuer, jwksUri: `${LATCHKEY}/.well-known/jwks.json`, tokenSigningAlg: 'ES256' }))
app.get('/v1/verify', (request, response) => {
  const { sub, sid } = request.auth.payload
  response
    .status(204)
    .set({ ...headers, 'x-auth-subject': sub, 'x-auth-session': sid })
    .end()
})

app.listen(Number(process.env.PORT), process.env.HOST).keepAliveTimeout = 65_000
