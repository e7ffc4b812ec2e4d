import type { Deps } from '../../deps.ts'
import type { AccessClaims } from '../../domain/access-token.ts'
import { confirm } from '../../domain/rotation.ts'
import { keys } from '../../store/keys.ts'
import { untilWon } from '../until-won.ts'
import { putSession } from './session-writes.ts'

/** Remembers that an access token of the session's current rotation has been seen. Losing this only makes the rules milder. */
export async function confirmRotation({ store }: Deps, { sub, sid, rtc }: AccessClaims): Promise<void> {
  await untilWon(async () => {
    const entry = await store.get(keys.session(sub, sid))
    const confirmed = entry && confirm(entry.value, rtc)
    if (!confirmed) return true
    const write = { checks: [entry], puts: [putSession(confirmed)], deletes: [], mayBeLost: true } as const
    return (await store.commit(write)) || null
  })
}
