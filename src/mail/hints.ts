import type { Deps } from '../deps.ts'
import type { MailHint } from '../domain/mail.ts'
import { forget, QUEUE_KEYS } from './outbox.ts'

/** When a hint is to be followed again, ms since the epoch; `over`: never, it can be forgotten. */
export type Again = number | 'over'

/** A hint, and the queue that it is in. */
export interface Placed {
  readonly hint: MailHint
  readonly place: number
}

/** What one sender knows of the hints in the queues. */
export interface Hints {
  /** Reads all queues, and hands out the hints that are due, in random order: each once, until it is put back. */
  readonly take: () => Promise<readonly Placed[]>
  readonly putBack: (placed: Placed, again: Again) => void
  /** Removes the hints that are over from their queues, each queue at once. */
  readonly forgetOver: () => Promise<void>
  /** What the queues of all instances had when they were last read. */
  readonly waiting: () => Waiting
}

/** How many mails wait, and since when the oldest (ms since the epoch; null: none does). */
export interface Waiting {
  readonly count: number
  readonly oldestAt: number | null
}

/** Makes the memory of the hints. It holds no hint that is not in a queue. */
export function openHints({ store, clock }: Pick<Deps, 'store' | 'clock'>): Hints {
  /** By the id of its mail, until when a hint rests; Infinity: it is handed out, or over. */
  const rests = new Map<string, number>()
  const over = new Set<Placed>()
  let waiting: Waiting = { count: 0, oldestAt: null }

  async function forgetOver(): Promise<void> {
    const gone = [...over]
    for (const [place, ids] of idsByPlace(gone)) await forget(store, place, ids)
    for (const placed of gone) over.delete(placed)
  }

  return {
    forgetOver,
    waiting: () => waiting,
    async take() {
      await forgetOver()
      const queues = await store.getMany(QUEUE_KEYS)
      const found = queues.flatMap((queue, place) => (queue?.value ?? []).map((hint) => ({ hint, place })))
      waiting = {
        count: found.length,
        oldestAt: found.length > 0 ? found.reduce((oldest, { hint }) => Math.min(oldest, hint.at), Infinity) : null,
      }
      keepOnly(rests, new Set(found.map(({ hint }) => hint.mailId)))
      const due = found.filter(({ hint }) => (rests.get(hint.mailId) ?? 0) <= clock())
      for (const { hint } of due) rests.set(hint.mailId, Infinity)
      return shuffle(due)
    },
    putBack(placed, again) {
      rests.set(placed.hint.mailId, again === 'over' ? Infinity : again)
      if (again === 'over') over.add(placed)
    },
  }
}

function idsByPlace(hints: readonly Placed[]): ReadonlyMap<number, ReadonlySet<string>> {
  const ids = new Map<number, Set<string>>()
  for (const { hint, place } of hints) ids.set(place, (ids.get(place) ?? new Set()).add(hint.mailId))
  return ids
}

function keepOnly(rests: Map<string, number>, ids: ReadonlySet<string>): void {
  for (const id of rests.keys()) if (!ids.has(id)) rests.delete(id)
}

/** In random order: senders that look at once take different mails. */
function shuffle<T>(items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .toSorted((one, other) => one.place - other.place)
    .map(({ item }) => item)
}
