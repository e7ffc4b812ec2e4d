import type * as z from 'zod'
import { addClient, addSecret, type WithSecret } from '../../../auth/clients/add.ts'
import { removeClient } from '../../../auth/clients/disable.ts'
import { listClients } from '../../../auth/clients/read.ts'
import type { Deps } from '../../../deps.ts'
import type { Client as ClientRecord } from '../../../domain/client.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { optionalBody } from '../fields.ts'
import { BODY_PROBLEMS, problems } from '../problem-schemas.ts'
import { NoContent } from '../schemas.ts'
import { type Client, ClientParams, Clients, ClientWithSecret, NewClient, NewSecret } from './client-schemas.ts'
import { KEY_PROBLEMS } from './problems.ts'

const common = { tags: ['Clients'], security: [{ adminKey: [] }] }

const listSchema = {
  ...common,
  operationId: 'listClients',
  summary: 'List the clients',
  description: 'All of them, in the order in which they were added, without any secret.',
  response: {
    200: Clients.meta({ description: 'The clients.' }),
    ...problems(...KEY_PROBLEMS, 'store_unavailable'),
  },
}

const addSchema = {
  ...common,
  operationId: 'addClient',
  summary: 'Add a client',
  description:
    'A program that gets tokens of its own at `/oauth/token`, or asks about those of others at `/oauth/introspect`. If the answer is lost, ' +
    'list the clients and remove the one whose secret nobody has.',
  body: NewClient,
  response: {
    201: ClientWithSecret.meta({ description: 'The client, with its secret.' }),
    ...problems(...KEY_PROBLEMS, ...BODY_PROBLEMS, 'busy', 'store_unavailable'),
  },
}

const secretSchema = {
  ...common,
  operationId: 'addClientSecret',
  summary: 'Give a client another secret',
  description:
    'Both secrets are taken until the next one is made; any third is refused from now on. If the answer is lost, send it again with ' +
    '`beside`, so that the secret which is in use stays.',
  params: ClientParams,
  body: optionalBody(NewSecret),
  response: {
    200: ClientWithSecret.meta({ description: 'The client, with the new secret.' }),
    ...problems(...KEY_PROBLEMS, ...BODY_PROBLEMS, 'not_found', 'busy', 'store_unavailable'),
  },
}

const removeSchema = {
  ...common,
  operationId: 'removeClient',
  summary: 'Remove a client',
  description: 'Its secrets and its tokens are refused at once.',
  params: ClientParams,
  response: {
    204: NoContent.meta({ description: 'Gone.' }),
    ...problems(...KEY_PROBLEMS, 'not_found', 'busy', 'store_unavailable'),
  },
}

/** GET and POST /admin/v1/clients, POST /admin/v1/clients/{id}/secret, DELETE /admin/v1/clients/{id} */
export function clientRoutes(app: App, deps: Deps): void {
  app.route({
    method: 'GET',
    url: '/admin/v1/clients',
    schema: listSchema,
    handler: async () => ({ clients: (await listClients(deps)).map(clientAnswer) }),
  })

  app.route({
    method: 'POST',
    url: '/admin/v1/clients',
    schema: addSchema,
    async handler(request, reply) {
      const { name, scopes, audiences = [deps.config.AUDIENCE] } = request.body
      const wish = { name, scopes: [...new Set(scopes)], audiences: [...new Set(audiences)] }
      return reply.code(201).send(secretAnswer(await addClient(deps, wish, callerOf(request))))
    },
  })

  app.route({
    method: 'POST',
    url: '/admin/v1/clients/:id/secret',
    schema: secretSchema,
    async handler(request) {
      const result = await addSecret(deps, request.params.id, request.body?.beside, callerOf(request))
      if (result.kind === 'client_unknown') throw new Problem('not_found')
      if (result.kind === 'secret_unknown')
        throw new Problem('bad_request', { errors: [{ path: 'beside', message: 'is no secret of this client' }] })
      return secretAnswer(result)
    },
  })

  app.route({
    method: 'DELETE',
    url: '/admin/v1/clients/:id',
    schema: removeSchema,
    async handler(request, reply) {
      if (!(await removeClient(deps, request.params.id, callerOf(request)))) throw new Problem('not_found')
      return reply.code(204).send()
    },
  })
}

function secretAnswer({ client, secret }: WithSecret): z.input<typeof ClientWithSecret> {
  return { ...clientAnswer(client), client_secret: secret }
}

function clientAnswer(client: ClientRecord): z.input<typeof Client> {
  const { id, name, scopes, audiences, createdAt, disabled, secrets } = client
  return {
    client_id: id,
    name,
    scopes: [...scopes],
    audiences: [...audiences],
    created_at: timeOf(createdAt),
    ...(disabled === undefined ? {} : { disabled: { ...disabled, at: timeOf(disabled.at) } }),
    secrets: secrets.map((each) => ({ id: each.id, created_at: timeOf(each.createdAt) })),
  }
}

function timeOf(at: number): string {
  return new Date(at).toISOString()
}
