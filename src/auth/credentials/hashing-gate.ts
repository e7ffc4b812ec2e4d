import { Busy } from '../errors.ts'

/** How much is hashed at once: so many hashes, and so many bytes of memory. */
export interface Room {
  readonly slots: number
  readonly bytes: number
}

export interface Gate {
  /** Starts a work that takes up so many bytes when there is room for it. Throws Busy when too many wait, or it has waited too long. */
  readonly enter: <T>(bytes: number, work: () => Promise<T>) => Promise<T>
  readonly traffic: () => Traffic
}

/** How many works are being done, how many wait, and how many were refused by Busy since the start. */
export interface Traffic {
  readonly running: number
  readonly waiting: number
  readonly refused: number
}

interface Waiting {
  readonly bytes: number
  readonly giveUpAt: number
  readonly start: () => void
  readonly refuse: (error: Error) => void
}

const QUEUE_PER_SLOT = 100
const PATIENCE_MS = 5000

/**
 * Makes a gate: works start in the order in which they come, as many at once as the room allows. A bounded queue waits, for
 * PATIENCE_MS at most. A work that takes up more than there is, is done alone.
 */
export function makeGate(room: Room): Gate {
  const queue: Waiting[] = []
  let [running, used, refused] = [0, 0, 0]

  function isRoomFor(bytes: number): boolean {
    return running === 0 || (running < room.slots && used + bytes <= room.bytes)
  }

  function busy(): Busy {
    refused += 1
    return new Busy()
  }

  function letIn(): void {
    for (let [next] = queue; next !== undefined && isRoomFor(next.bytes); [next] = queue) {
      queue.shift()
      if (performance.now() > next.giveUpAt) next.refuse(busy())
      else next.start()
    }
  }

  async function run<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    running += 1
    used += bytes
    try {
      return await work()
    } finally {
      running -= 1
      used -= bytes
      letIn()
    }
  }

  function enter<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (queue.length === 0 && isRoomFor(bytes)) return run(bytes, work)
    if (queue.length >= room.slots * QUEUE_PER_SLOT) throw busy()
    return new Promise((resolve, refuse) => {
      const start = () => void run(bytes, work).then(resolve, refuse)
      queue.push({ bytes, giveUpAt: performance.now() + PATIENCE_MS, start, refuse })
    })
  }

  return { enter, traffic: () => ({ running, waiting: queue.length, refused }) }
}
