import type { Deps } from '../../deps.ts'
import type { AccessClaims } from '../../domain/access-token.ts'
import { confirm } from '../../domain/rotation.ts'
import { keys } from '../../store/keys.ts'
import { untilWon } from '../until-won.ts'
import { putSession } from './session-writes.ts'

/**
 * Remembers that the client has the answer to a rotation: an access token of it has come back. If this write is lost, the rules
 * for repeats are only milder.
 */
export async function confirmRotation({ store }: Deps, { sub, sid, rtc }: AccessClaims): Promise<void> {
  await untilWon(async () => {
    const entry = await store.get(keys.session(sub, sid))
    const confirmed = entry && confirm(entry.value, rtc)
    if (!confirmed) return true
    const write = { checks: [entry], puts: [putSession(confirmed)], deletes: [], mayBeLost: true } as const
    return (await store.commit(write)) || null
  })
}
