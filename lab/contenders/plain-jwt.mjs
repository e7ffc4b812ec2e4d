// A JWT that lives for two weeks, and no revocation: @fastify/jwt. As with a cookie session, what the server knows of its
// user is in the token, and a change is a new token.
import jwt from '@fastify/jwt'
import { FORTNIGHT_S, serve } from './fastify-app.mjs'

let sign

async function setUp(app) {
  await app.register(jwt, { secret: process.env.SECRET, sign: { algorithm: 'HS256', expiresIn: FORTNIGHT_S } })
  sign = ({ email, cart, theme }) => ({ token: app.jwt.sign({ email, cart, theme }) })
}

await serve(setUp, {
  begin: async (_request, _reply, state) => sign(state),
  find: (request) => request.jwtVerify().catch(() => null),
  write: async (_request, _reply, state) => sign(state),
  end: async () => {}, // the client forgets its token
  endOthers: async () => {},
})
