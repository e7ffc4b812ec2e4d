// Sessions in a central Redis: @fastify/session with connect-redis, which it takes like any store of express-session.
import cookie from '@fastify/cookie'
import session from '@fastify/session'
import { RedisStore } from 'connect-redis'
import { FORTNIGHT_S, serve } from './fastify-app.mjs'
import { connectRedis, indexSessions } from './redis-client.mjs'

const client = await connectRedis()
const store = new RedisStore({ client, prefix: 'session:' })
const sessions = indexSessions(client)

async function setUp(app) {
  await app.register(cookie)
  await app.register(session, {
    secret: process.env.SECRET,
    cookieName: 'sid',
    store,
    cookie: { secure: false, httpOnly: true, sameSite: 'lax', path: '/', maxAge: FORTNIGHT_S * 1000 },
    saveUninitialized: false,
  })
}

await serve(setUp, {
  async begin(request, _reply, state) {
    await request.session.regenerate()
    request.session.set('state', state)
    await sessions.add(state.email, request.session.sessionId)
  },
  find: async (request) => request.session.get('state') ?? null,
  write: async (request, _reply, state) => request.session.set('state', state) && undefined,
  end: (request) => request.session.destroy(),
  async endOthers(request, email) {
    const others = (await sessions.of(email)).filter((id) => id !== request.session.sessionId)
    await Promise.all(others.map((id) => new Promise((resolve) => void store.destroy(id, resolve))))
  },
})
