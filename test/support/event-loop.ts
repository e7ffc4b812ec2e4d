type Work = () => Promise<unknown>

const ROUNDS = { least: 3, most: 30 }

/**
 * How many times as long as `plain` the work holds the event loop: the least of its longest holds by the least of the plain one's,
 * so that what else the machine does counts for little. What is `enough` below it is believed soon, what is not is asked again.
 */
export async function timesAsLong(work: Work, plain: Work, enough: number): Promise<number> {
  let [longest, plainLongest] = [Infinity, Infinity]
  for (let round = 1; round <= ROUNDS.most; round += 1) {
    longest = Math.min(longest, await longestHold(work))
    plainLongest = Math.min(plainLongest, await longestHold(plain))
    if (round >= ROUNDS.least && longest < enough * plainLongest) break
  }
  return longest / plainLongest
}

/** The longest time in ms for which nothing else had a turn of the event loop while the work was done. */
async function longestHold(work: Work): Promise<number> {
  let [last, longest, isWatched] = [performance.now(), 0, true]
  const turn = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    if (isWatched) setImmediate(turn)
  }
  setImmediate(turn)
  await work()
  await new Promise(setImmediate)
  isWatched = false
  return longest
}
