import type { FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { authenticateClient, type AuthenticatedClient } from '../../auth/clients/authenticate.ts'
import { readBasicCredentials } from '../../domain/basic-credentials.ts'
import type { Edge } from '../edge.ts'
import { callerOf } from '../request-caller.ts'
import type { App } from '../typed-app.ts'
import { OauthError } from './oauth-errors.ts'
import { headerLines } from './request-header-lines.ts'
import type { LimitName } from './request-limits.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The client that has proved who it is; null: none has tried to. */
    client: AuthenticatedClient | null
  }
}

/** How the routes of OAuth get at the client of a request. */
export interface ClientAuth {
  /** An onRequest hook: lets only clients pass that prove who they are. */
  readonly requireClient: onRequestAsyncHookHandler
  /** Makes an onRequest hook: lets pass who does not try to, too, and counts those against this limit. */
  readonly clientOrLimit: (name: LimitName) => onRequestAsyncHookHandler
}

/**
 * Authenticates clients by `client_secret_basic`, RFC 6749 section 2.3.1, before a body is read. Wrong secrets count against LIMIT_API of
 * the address, right ones against nothing: nobody guesses one, and an API may ask about every token that it is shown.
 */
export function makeClientAuth(scope: App, { deps, limitPerAddress }: Edge): ClientAuth {
  const countRefusal = limitPerAddress('api')
  scope.decorateRequest('client', null)

  async function refuse(request: FastifyRequest): Promise<never> {
    await countRefusal(request)
    throw new OauthError('invalid_client')
  }

  /** The client of a request; null: there is no Authorization. */
  async function authenticate(request: FastifyRequest): Promise<AuthenticatedClient | null> {
    const [header, ...others] = headerLines(request.raw, 'authorization')
    if (header === undefined) return null
    const credentials = others.length === 0 ? readBasicCredentials(header) : null
    return (await authenticateClient(deps, credentials, callerOf(request))) ?? refuse(request)
  }

  return {
    async requireClient(request) {
      request.client = (await authenticate(request)) ?? (await refuse(request))
    },
    clientOrLimit: (name) => {
      const limit = limitPerAddress(name)
      return async (request) => {
        request.client = await authenticate(request)
        if (request.client === null) await limit(request)
      }
    },
  }
}
