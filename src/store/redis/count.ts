import type { Cluster, Redis } from 'ioredis'
import type { Count, UsedUp } from '../store.ts'
import type { RedisClients } from './client.ts'

/**
 * KEYS: of the counters. ARGV: whether to add ('1'), then the count and the window in ms of each. A window that would end
 * later than one begun now was begun by a clock that has been set back since.
 */
const COUNT = `
local counts, lefts = {}, {}
for i, key in ipairs(KEYS) do
  local left, window = redis.call('PTTL', key), tonumber(ARGV[2 * i + 1])
  local isOn = left > 0 and left <= window
  counts[i], lefts[i] = isOn and tonumber(redis.call('GET', key)) or 0, isOn and left or window
  if counts[i] >= tonumber(ARGV[2 * i]) then return { i - 1, lefts[i] } end
end
if ARGV[1] == '1' then
  for i, key in ipairs(KEYS) do redis.call('SET', key, counts[i] + 1, 'PX', lefts[i]) end
end
return false`

type Reply = readonly [place: number, leftMs: number] | null
type Client = (Redis | Cluster) & {
  latchkeyTally(keyCount: number, ...keysAndArgs: (string | number)[]): Promise<Reply>
}

/** Counts as the port promises, in one command; a window goes by the clock of Redis. */
export function makeCount({ client: plain }: RedisClients): (count: Count) => Promise<UsedUp | null> {
  plain.defineCommand('latchkeyTally', { lua: COUNT })
  const client = plain as Client
  const endOfTurn = shareTurns()
  return async ({ counters, adds }) => {
    await endOfTurn()
    const names = counters.map(({ key }) => key)
    const limits = counters.flatMap(({ count, windowMs }) => [count, windowMs])
    const reply = await client.latchkeyTally(names.length, ...names, adds ? 1 : 0, ...limits)
    return reply && { place: reply[0], leftMs: reply[1] }
  }
}

/** The end of this turn of the event loop, the same for all who ask in it: what they then send is written to the socket at once. */
function shareTurns(): () => Promise<void> {
  let end: Promise<void> | null = null
  return () =>
    (end ??= new Promise((resolve) => {
      setImmediate(() => {
        end = null
        resolve()
      })
    }))
}
