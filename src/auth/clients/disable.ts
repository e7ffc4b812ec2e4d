import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import type { Client } from '../../domain/client.ts'
import { deniedUntil, generationAfter } from '../../domain/revocation.ts'
import { keys } from '../../store/keys.ts'
import { absent, type Put, put, unchanged } from '../../store/store.ts'
import { carryOut } from '../deed.ts'
import { untilWon } from '../until-won.ts'
import { readClient } from './read.ts'

/**
 * Lets the client do nothing: in one commit it gets no more tokens, and those that it has are dead. Again: with this reason. False:
 * there is no such client.
 */
export async function disableClient(
  deps: Deps,
  clientId: string,
  reason: string | null,
  caller: Caller,
): Promise<boolean> {
  const done = await untilWon(async () => {
    const { entry } = await readClient(deps, clientId)
    if (entry === null) return 'unknown'
    const { next, denial } = nextGeneration(deps, entry.value)
    const disabled = { at: next.disabled?.at ?? deps.clock(), ...(reason === null ? {} : { reason }) }
    const events = [{ event: 'client.disabled', client_id: clientId } as const]
    const deed = { checks: [entry], puts: [put(entry.key, { ...next, disabled }, null), denial], deletes: [], events }
    return (await carryOut(deps, deed, caller)) ? 'disabled' : null
  })
  return done === 'disabled'
}

/** Lets the client get tokens again; those of before stay dead. False: there is no such client. */
export async function enableClient(deps: Deps, clientId: string, caller: Caller): Promise<boolean> {
  const done = await untilWon(async () => {
    const { entry } = await readClient(deps, clientId)
    if (entry === null) return 'unknown'
    const { disabled, ...open }: Client = entry.value
    const events = disabled ? [{ event: 'client.enabled', client_id: clientId } as const] : []
    const deed = { checks: [entry], puts: [put(entry.key, open, null)], deletes: [], events }
    return (await carryOut(deps, deed, caller)) ? 'enabled' : null
  })
  return done === 'enabled'
}

/** Removes the client, and denies its tokens, in one commit. False: there is no such client. */
export async function removeClient(deps: Deps, clientId: string, caller: Caller): Promise<boolean> {
  const done = await untilWon(async () => {
    const { entry } = await readClient(deps, clientId)
    const ids = await deps.store.get(keys.clientIds)
    const others = (ids?.value ?? []).filter((id) => id !== clientId)
    const list = put(keys.clientIds, others, null)
    if (entry === null) {
      // A removal asked for again may be written, but not yet be safe with a replica: what is written after it makes it so.
      const again = {
        checks: [absent(keys.client(clientId)), unchanged(keys.clientIds, ids)],
        puts: [list],
        deletes: [],
      }
      return (await deps.store.commit(again)) ? 'unknown' : null
    }
    const deed = {
      checks: [entry, unchanged(keys.clientIds, ids)],
      puts: [nextGeneration(deps, entry.value).denial, list],
      deletes: [entry.key],
      events: [{ event: 'client.removed', client_id: clientId } as const],
    }
    return (await carryOut(deps, deed, caller)) ? 'removed' : null
  })
  return done === 'removed'
}

/** The client with the next generation, and the write that denies every token of the generations before. */
function nextGeneration({ config, clock }: Deps, client: Client): { next: Client; denial: Put } {
  const generation = generationAfter(client.generation, clock())
  const denial = put(keys.deniedClientBelow(client.id), generation, deniedUntil(clock(), config.ACCESS_TTL))
  return { next: { ...client, generation }, denial }
}
