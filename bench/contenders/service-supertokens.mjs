// SuperTokens' check of a session in a Fastify service: by the signature, without a question to its core.
import Fastify from 'fastify'
import SuperTokens from 'supertokens-node'
import Session from 'supertokens-node/recipe/session'
import { headers, serve } from './serve.mjs'

SuperTokens.init({
  framework: 'fastify',
  telemetry: false,
  supertokens: { connectionURI: process.env.CORE },
  appInfo: { appName: 'bench', apiDomain: 'http://localhost:3000', websiteDomain: 'http://localhost:3000' },
  recipeList: [Session.init({ getTokenTransferMethod: () => 'header' })],
})
const app = Fastify({ keepAliveTimeout: 65_000 })

app.get('/v1/verify', async (request, reply) => {
  const session = await Session.getSession(request, reply)
  const own = { 'x-auth-subject': session.getUserId(), 'x-auth-session': session.getHandle() }
  return reply
    .code(204)
    .headers({ ...headers, ...own })
    .send()
})

await serve(app)
