import { setTimeout as sleep } from 'node:timers/promises'

type Nothing = false | null | undefined

/** Resolves to what `check` finds, asking every 20 ms; one that throws has found nothing yet, one that hangs is given up in time. */
export async function eventually<Found>(
  check: () => Found | Promise<Found>,
  { within }: { readonly within: number },
): Promise<Exclude<Found, Nothing>> {
  const endAt = performance.now() + within
  let cause: unknown
  while (performance.now() < endAt) {
    try {
      const found = await inTime(check, endAt - performance.now())
      if (isSomething(found)) return found
    } catch (error) {
      cause = error
    }
    await sleep(20)
  }
  throw new Error(`not so within ${within} ms: ${check.toString()}`, { cause })
}

function isSomething<Found>(found: Found): found is Exclude<Found, Nothing> {
  return found !== false && found !== null && found !== undefined
}

async function inTime<Found>(check: () => Found | Promise<Found>, ms: number): Promise<Found | false> {
  const timer = new AbortController()
  try {
    return await Promise.race([check(), sleep(ms, false as const, timer)])
  } finally {
    timer.abort()
  }
}
