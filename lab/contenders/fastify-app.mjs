// The application under Fastify. A contender says how a session begins, is found, is written and ends.
import Fastify from 'fastify'
import { changePassword, isPassword } from './accounts.mjs'
import { leaveInPeace } from './leave.mjs'

const { HOST, PORT } = process.env

export const FORTNIGHT_S = 14 * 24 * 3600

/**
 * Starts it. `begin(request, reply, state)`, `find(request)`, `write(request, reply, state)`, `end(request, reply)` and
 * `endOthers(request, email)` are the contender's; a state is `{ email, cart, theme }`, and what `begin` and `write` return
 * is added to the answer.
 */
export async function serve(setUp, { begin, find, write, end, endOthers }) {
  const app = Fastify({ keepAliveTimeout: 65_000 })
  await setUp(app)
  app.get('/', async () => 'hello')
  app.get('/livez', async () => 'alive')

  app.post('/login', async (request, reply) => {
    const { email, password } = request.body
    if (!(await isPassword(email, password))) return reply.code(403).send()
    const state = { email, cart: {}, theme: 'light' }
    return { ...viewOf(state), ...(await begin(request, reply, state)) }
  })
  app.post('/logout', async (request, reply) => {
    await end(request, reply)
    return reply.code(204).send()
  })

  await app.register(async (guarded) => {
    guarded.addHook('preHandler', async (request, reply) => {
      request.state = await find(request)
      return request.state === null ? reply.code(401).send() : undefined
    })
    const change = async (request, reply, changes) => {
      const state = { ...request.state, ...changes }
      return { ...viewOf(state), ...(await write(request, reply, state)) }
    }
    guarded.get('/me', async ({ state }) => viewOf(state))
    guarded.post('/cart', (request, reply) =>
      change(request, reply, { cart: { ...request.state.cart, [request.body.item]: 1 } }),
    )
    guarded.post('/theme', (request, reply) => change(request, reply, { theme: request.body.theme }))
    guarded.post('/password', async (request, reply) => {
      const { current, next } = request.body
      if (!(await changePassword(request.state.email, current, next))) return reply.code(403).send()
      await endOthers(request, request.state.email)
      return viewOf(request.state)
    })
  })

  await app.listen({ host: HOST, port: Number(PORT) })
  leaveInPeace(app.server)
}

function viewOf({ email, cart, theme }) {
  return { email, cart: Object.keys(cart), theme }
}
