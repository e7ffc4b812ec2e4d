import type { Deps } from '../../deps.ts'
import { areAffordable, mergeWork, type Work, worksLeft } from '../../domain/password-hash.ts'
import { keys } from '../../store/keys.ts'
import { put, unchanged } from '../../store/store.ts'
import { untilWon } from '../until-won.ts'

// Hashes from elsewhere take another time than ours. So that nobody learns from it who has an account, every failed login does the same
// work, whoever it is for: a hash of ours, and of each other function that has ever been imported the dearest one.

/** Notes what an imported hash costs, before an account has it. False: failed logins would become too dear. */
export async function noteWork({ store }: Deps, work: Work): Promise<boolean> {
  const noted = await untilWon(async () => {
    const entry = await store.get(keys.importedWork)
    const works = mergeWork(entry?.value ?? [], work)
    if (!areAffordable(works)) return 'too dear'
    if (JSON.stringify(works) === JSON.stringify(entry?.value)) return 'noted'
    const puts = [put(keys.importedWork, works, null)]
    const isWon = await store.commit({ checks: [unchanged(keys.importedWork, entry)], puts, deletes: [] })
    return isWon ? 'noted' : null
  })
  return noted === 'noted'
}

/** Does what is left of the work of a failed login after this hash (null: nobody's) was verified. */
export async function spendRest({ store, hashing }: Deps, verified: string | null): Promise<void> {
  const imported = (await store.get(keys.importedWork))?.value ?? []
  await hashing.spend(worksLeft(mergeWork(imported, hashing.own), hashing.workOf(verified)))
}
