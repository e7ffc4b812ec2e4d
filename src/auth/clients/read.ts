import type { Deps } from '../../deps.ts'
import type { Client } from '../../domain/client.ts'
import { keys } from '../../store/keys.ts'
import type { Entry } from '../../store/store.ts'
import { demandIdentity } from '../keys/store-identity.ts'
import { readInPieces } from '../read-in-pieces.ts'

/** Reads a client; null: there is none. Throws StoreUnavailable unless the store is that of our keys. */
export async function readClient(deps: Deps, clientId: string): Promise<Entry<Client> | null> {
  const [identity, client] = await deps.store.getMany([keys.identity, keys.client(clientId)])
  demandIdentity(deps, identity, deps.keyring.identity())
  return client
}

/** Reads all clients, in the order in which they were added. */
export async function listClients({ store }: Deps): Promise<readonly Client[]> {
  const ids = (await store.get(keys.clientIds))?.value ?? []
  return (await readInPieces(store, ids.map(keys.client))).map(({ value }) => value)
}
