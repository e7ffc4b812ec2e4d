// Sessions in a central Redis: express-session with connect-redis. The whole session is read at the start of a request and
// written whole at its end if the request has changed it.
import { RedisStore } from 'connect-redis'
import { serve } from './express-app.mjs'
import { connectRedis, indexSessions } from './redis-client.mjs'

const client = await connectRedis()

serve({ store: new RedisStore({ client, prefix: 'session:' }), sessions: indexSessions(client) })
