import type { Deps } from '../../deps.ts'
import type { Passkey } from '../../domain/factors.ts'
import { keys } from '../../store/keys.ts'
import { put } from '../../store/store.ts'
import { untilWon } from '../until-won.ts'

/** Gives a passkey another name. Null: the user has none with this id. */
export async function renamePasskey(
  { store }: Deps,
  userId: string,
  { id, name }: Pick<Passkey, 'id' | 'name'>,
): Promise<Passkey | null> {
  const { renamed } = await untilWon<{ readonly renamed: Passkey | null }>(async () => {
    const user = await store.get(keys.user(userId))
    const known = user?.value.factors?.passkeys.find((passkey) => passkey.id === id)
    if (!user?.value.factors || !known) return { renamed: null }
    const next = { ...known, name }
    const passkeys = user.value.factors.passkeys.map((passkey) => (passkey === known ? next : passkey))
    const changed = { ...user.value, factors: { ...user.value.factors, passkeys } }
    const isWon = await store.commit({ checks: [user], puts: [put(user.key, changed, null)], deletes: [] })
    return isWon ? { renamed: next } : null
  })
  return renamed
}
