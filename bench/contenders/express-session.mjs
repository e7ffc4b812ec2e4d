// Server-side sessions under Express, as the README sets them up: no `resave`; the store prolongs a session at each use.
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'
import { headers } from './serve.mjs'

const client = await createClient({ url: process.env.REDIS_URL }).connect()
const app = express()

app.disable('x-powered-by')
app.get('/livez', (_request, response) => response.send('alive'))
app.use(
  session({
    secret: 'the-secret-of-a-benchmark-and-of-nothing-else',
    store: new RedisStore({ client, prefix: 'express-session:' }),
    cookie: { secure: false, maxAge: 3_600_000 },
    saveUninitialized: false,
    resave: false,
  }),
)

app.post('/login', (request, response) => {
  request.session.user = headers['x-auth-subject']
  response.status(204).end()
})

app.get('/v1/verify', (request, response) => {
  if (request.session.user === undefined) return response.status(401).end()
  const own = { 'x-auth-subject': request.session.user, 'x-auth-session': request.session.id }
  return response
    .status(204)
    .set({ ...headers, ...own })
    .end()
})

app.listen(Number(process.env.PORT), process.env.HOST).keepAliveTimeout = 65_000
