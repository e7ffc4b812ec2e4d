// Sessions in an encrypted cookie, no store: @fastify/secure-session. What the session holds travels with every request;
// the server remembers nothing, so it can end nothing but the cookie of the browser that asks.
import secureSession from '@fastify/secure-session'
import { createHash } from 'node:crypto'
import { FORTNIGHT_S, serve } from './fastify-app.mjs'

async function setUp(app) {
  await app.register(secureSession, {
    cookieName: 'session',
    key: createHash('sha256').update(process.env.SECRET).digest(),
    expiry: FORTNIGHT_S,
    cookie: { path: '/', httpOnly: true, sameSite: 'lax', maxAge: FORTNIGHT_S },
  })
}

await serve(setUp, {
  async begin(request, _reply, state) {
    request.session.regenerate()
    request.session.set('state', state)
  },
  find: async (request) => request.session.get('state') ?? null,
  write: async (request, _reply, state) => void request.session.set('state', state),
  end: async (request) => request.session.delete(),
  endOthers: async () => {}, // nobody knows where they are
})
