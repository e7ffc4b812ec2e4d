// The application under express-session, as its README sets it up, and as OWASP asks: a new id at login, the session
// destroyed at logout, the user's other sessions destroyed when the password changes. The store is the contender's.
import express from 'express'
import session from 'express-session'
import { changePassword, isPassword } from './accounts.mjs'
import { leaveInPeace } from './leave.mjs'

const { HOST, PORT, SECRET } = process.env
const FORTNIGHT_MS = 14 * 24 * 3600_000

/**
 * Starts it. `sessions.add` is told of each login, `sessions.of` knows the ids of a user's sessions.
 * `routes` come before the session, for what a store needs itself.
 */
export function serve({ store, sessions, routes = () => {} }) {
  const app = express()
  app.disable('x-powered-by')
  app.get(['/', '/livez'], (_request, response) => response.send('hello'))
  app.use(express.json())
  routes(app)
  app.use(
    session({
      name: 'sid',
      secret: SECRET,
      store,
      cookie: { httpOnly: true, sameSite: 'lax', maxAge: FORTNIGHT_MS },
      saveUninitialized: false,
      resave: false,
    }),
  )

  app.post('/login', async (request, response) => {
    const { email, password } = request.body
    if (!(await isPassword(email, password))) return response.status(403).end()
    await new Promise((resolve, reject) => request.session.regenerate((error) => (error ? reject(error) : resolve())))
    Object.assign(request.session, { email, cart: {}, theme: 'light' })
    await sessions.add(email, request.sessionID)
    return response.json(viewOf(request.session))
  })
  app.post('/logout', async (request, response) => {
    await new Promise((resolve, reject) => request.session.destroy((error) => (error ? reject(error) : resolve())))
    return response.clearCookie('sid').status(204).end()
  })

  app.use((request, response, next) => (request.session.email === undefined ? response.status(401).end() : next()))
  app.get('/me', (request, response) => response.json(viewOf(request.session)))
  app.post('/cart', (request, response) => {
    request.session.cart[request.body.item] = 1
    response.json(viewOf(request.session))
  })
  app.post('/theme', (request, response) => {
    request.session.theme = request.body.theme
    response.json(viewOf(request.session))
  })
  app.post('/password', async (request, response) => {
    const { email } = request.session
    if (!(await changePassword(email, request.body.current, request.body.next))) return response.status(403).end()
    const others = (await sessions.of(email)).filter((id) => id !== request.sessionID)
    await Promise.all(others.map((id) => new Promise((resolve) => void store.destroy(id, resolve))))
    return response.json(viewOf(request.session))
  })

  leaveInPeace(app.listen(Number(PORT), HOST))
}

function viewOf({ email, cart, theme }) {
  return { email, cart: Object.keys(cart), theme }
}
