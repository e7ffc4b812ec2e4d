import type { Deps } from '../../deps.ts'
import type { BasicCredentials } from '../../domain/basic-credentials.ts'
import type { Caller } from '../../domain/caller.ts'
import { type Client, type ClientSecret, findSecret, isClientId } from '../../domain/client.ts'
import { readClient } from './read.ts'

/** A client that has proved who it is, by which of its secrets, and the identity of the store that has it. */
export interface AuthenticatedClient {
  readonly client: Client
  readonly secret: ClientSecret
  readonly identity: string
}

/** The client of these credentials (null: they are malformed); null: they are of none that may do anything, which is recorded. */
export async function authenticateClient(
  deps: Deps,
  credentials: BasicCredentials | null,
  caller: Caller,
): Promise<AuthenticatedClient | null> {
  const found = credentials && isClientId(credentials.id) ? await readClient(deps, credentials.id) : null
  const client = found?.entry?.value ?? null
  const secret = client && findSecret(client, credentials?.secret ?? '')
  if (found && client && secret && client.disabled === undefined) return { client, secret, identity: found.identity }
  const cause = client === null ? 'unknown_client' : secret === null ? 'wrong_secret' : 'disabled'
  deps.record({ event: 'client.refused', client_id: client?.id ?? null, cause }, caller)
  return null
}
