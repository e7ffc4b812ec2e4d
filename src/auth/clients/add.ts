import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { addSecret as withSecret, type Client, newClientId, newClientSecret } from '../../domain/client.ts'
import { keys } from '../../store/keys.ts'
import { absent, put, unchanged } from '../../store/store.ts'
import { carryOut } from '../deed.ts'
import { untilWon } from '../until-won.ts'
import { readClient } from './read.ts'

/** A client, and a secret that it did not have before, which nobody can read again. */
export interface WithSecret {
  readonly client: Client
  readonly secret: string
}

/** Adds a client with its first secret. */
export async function addClient(
  deps: Deps,
  wish: Pick<Client, 'name' | 'scopes' | 'audiences'>,
  caller: Caller,
): Promise<WithSecret> {
  return untilWon(async () => {
    const now = deps.clock()
    const { text, kept } = newClientSecret(now)
    const client: Client = { ...wish, id: newClientId(), secrets: [kept], createdAt: now, generation: 0 }
    const ids = await deps.store.get(keys.clientIds)
    const key = keys.client(client.id)
    const deed = {
      checks: [unchanged(keys.clientIds, ids), absent(key)],
      puts: [put(key, client, null), put(keys.clientIds, [...(ids?.value ?? []), client.id], null)],
      deletes: [],
      events: [{ event: 'client.added', client_id: client.id } as const],
    }
    return (await carryOut(deps, deed, caller)) ? { client, secret: text } : null
  })
}

/** What comes of asking for one more secret. `secret_unknown`: the client has none of the name that it should stand beside. */
export type SecretAdded =
  | ({ readonly kind: 'added' } & WithSecret)
  | { readonly kind: 'client_unknown' }
  | { readonly kind: 'secret_unknown' }

/** Gives the client one more secret, beside the last one or the one that `beside` names; any other is refused from now on. */
export async function addSecret(
  deps: Deps,
  clientId: string,
  beside: string | undefined,
  caller: Caller,
): Promise<SecretAdded> {
  return untilWon(async () => {
    const { entry } = await readClient(deps, clientId)
    if (entry === null) return { kind: 'client_unknown' } as const
    const { text, kept } = newClientSecret(deps.clock())
    const client = withSecret(entry.value, kept, beside)
    if (client === null) return { kind: 'secret_unknown' } as const
    const events = [{ event: 'client.secret_added', client_id: clientId, secret_id: kept.id } as const]
    const deed = { checks: [entry], puts: [put(entry.key, client, null)], deletes: [], events }
    return (await carryOut(deps, deed, caller)) ? ({ kind: 'added', client, secret: text } as const) : null
  })
}
