// Sessions in the memory of the process that made them: express-session with the store it comes with. Behind round robin,
// and behind two kinds of sticky routing, it is the same program.
import session from 'express-session'
import { promisify } from 'node:util'
import { serve } from './express-app.mjs'

const store = new session.MemoryStore()
const all = promisify(store.all.bind(store))

serve({
  store,
  sessions: {
    add: async () => {},
    // Only this process's own: nobody here knows of the others.
    of: async (email) => {
      const entries = Object.entries(await all())
      return entries.filter(([, { email: owner }]) => owner === email).map(([id]) => id)
    },
  },
})
