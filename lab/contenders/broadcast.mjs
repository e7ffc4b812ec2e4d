// Sessions in every process's memory: each change is sent to all others as the whole session, and waited for (the sure
// mode; Tomcat's default does not wait). A process that starts asks its neighbours for what they have.
import session from 'express-session'
import { serve } from './express-app.mjs'

const { INSTANCES, PORT, SECRET } = process.env
const PEERS = INSTANCES.split(',').filter((port) => port !== PORT)
const PATIENCE_MS = 250 // for a neighbour that hangs; one that is down refuses at once

const sessions = new Map()

function apply(id, text) {
  if (text === null) sessions.delete(id)
  else sessions.set(id, text)
}

async function ask(port, method, body) {
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const headers = { authorization: SECRET, 'content-type': 'application/json' }
  const answer = await fetch(`http://127.0.0.1:${port}/peers`, { method, headers, body, signal })
  return answer.json()
}

class BroadcastStore extends session.Store {
  get(id, done) {
    const text = sessions.get(id)
    const found = text === undefined ? null : JSON.parse(text)
    const isOver = found !== null && new Date(found.cookie.expires) < new Date()
    done(null, isOver ? null : found)
  }
  set(id, value, done) {
    void this.tell(id, JSON.stringify(value)).then(() => done?.(null))
  }
  destroy(id, done) {
    void this.tell(id, null).then(() => done?.(null))
  }
  touch(id, value, done) {
    this.get(id, (_error, found) => {
      if (found !== null) apply(id, JSON.stringify({ ...found, cookie: value.cookie }))
      done(null)
    })
  }
  async tell(id, text) {
    apply(id, text)
    await Promise.allSettled(PEERS.map((port) => ask(port, 'POST', JSON.stringify({ id, text }))))
  }
}

const heard = await Promise.allSettled(PEERS.map((port) => ask(port, 'GET')))
for (const { value = [] } of heard) for (const [id, text] of value) apply(id, text)

serve({
  store: new BroadcastStore(),
  sessions: {
    add: async () => {},
    of: async (email) => [...sessions].filter(([, text]) => JSON.parse(text).email === email).map(([id]) => id),
  },
  routes(app) {
    app.use('/peers', (request, response, next) =>
      request.headers.authorization === SECRET ? next() : response.status(404).end(),
    )
    app.get('/peers', (_request, response) => response.json([...sessions]))
    app.post('/peers', (request, response) => {
      apply(request.body.id, request.body.text)
      response.json(null)
    })
  },
})
