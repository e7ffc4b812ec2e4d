import type { Deps } from '../../deps.ts'
import type { Client } from '../../domain/client.ts'
import { keys } from '../../store/keys.ts'
import type { Entry } from '../../store/store.ts'
import { demandIdentity } from '../keys/store-identity.ts'
import { readInPieces } from '../read-in-pieces.ts'

/** A client as it was read, and the identity of the store that has it; null: there is no such client. */
export interface Found {
  readonly entry: Entry<Client> | null
  readonly identity: string
}

/** Reads a client. Throws StoreUnavailable unless the store is that of our keys. */
export async function readClient(deps: Deps, clientId: string): Promise<Found> {
  const [found, entry] = await deps.store.getMany([keys.identity, keys.client(clientId)])
  return { entry, identity: demandIdentity(deps, found, deps.keyring.identity()) }
}

/** Reads all clients, in the order in which they were added. */
export async function listClients({ store }: Deps): Promise<readonly Client[]> {
  const ids = (await store.get(keys.clientIds))?.value ?? []
  return (await readInPieces(store, ids.map(keys.client))).map(({ value }) => value)
}
