import type { Deps } from '../../deps.ts'
import type { TrailEvent } from '../../domain/trail.ts'
import { keys, lastOf, LOG_ROWS, rowOf } from '../../store/keys.ts'
import { type Check, unchanged } from '../../store/store.ts'

/** Some events of a trail, newest first, and before which place it goes on; null: that was all. */
export interface TrailPage {
  readonly events: readonly TrailEvent[]
  readonly next: number | null
}

/** Reads events of the trail of a user, from the newest, or from the one before the place `before`. Null: there is no such user. */
export async function readTrail(
  { store }: Deps,
  userId: string,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<TrailPage | null> {
  const trail = keys.trail(userId)
  const [user, last] = await store.getMany([keys.user(userId), lastOf(trail)])
  if (user === null) return null
  const newest = Math.min(last?.value ?? 0, before - 1)
  const places = Array.from({ length: Math.min(newest, limit + 1) }, (_, back) => newest - back)
  const rows = await store.getMany(places.map((place) => rowOf(trail, place)))
  const events = rows.slice(0, limit).flatMap((row) => (row === null ? [] : [row.value]))
  return { events, next: rows[limit] ? newest - limit + 1 : null }
}

/** What a commit must check and delete so that nothing of the trail of a user is left. */
export async function readTrailToForget(
  { store }: Deps,
  userId: string,
): Promise<{ readonly check: Check; readonly deletes: readonly string[] }> {
  const trail = keys.trail(userId)
  const last = await store.get(lastOf(trail))
  const newest = last?.value ?? 0
  const rows = Array.from({ length: Math.min(newest, LOG_ROWS) }, (_, back) => rowOf(trail, newest - back))
  return { check: unchanged(lastOf(trail), last), deletes: [lastOf(trail), ...rows] }
}
