import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { openLmdb } from '../../src/store/lmdb/lmdb-store.ts'
import { readRedisUrl } from '../../src/config/redis-url.ts'
import { connectRedis } from '../../src/store/redis/client.ts'
import { openRedis } from '../../src/store/redis/redis-store.ts'
import { type Store, StoreUnavailable } from '../../src/store/store.ts'

/** Where a store is: an LMDB folder or a REDIS_URL. */
export type Place = { readonly dir: string } | { readonly url: string }

/** A store opened by another process, which ends with this one. */
export type FarStore = Store & {
  /** SIGKILL; resolves when it is gone. */
  readonly kill: () => Promise<void>
}

type Method = Exclude<keyof Store, 'close'>
type Call = { readonly id: number; readonly method: Method; readonly arg?: unknown }
type Reply = { readonly id: number; readonly result?: unknown; readonly error?: string }

/** Opens a store in this process; Redis may still be connecting. */
export async function openHere(place: Place): Promise<Store> {
  if ('dir' in place) return openLmdb({ dir: place.dir, clock: Date.now })
  const address = readRedisUrl(place.url)
  if (address === null) throw new Error('no REDIS_URL')
  return openRedis(
    connectRedis(address, () => {}),
    Date.now,
  )
}

/** Opens a store in a process of its own, which has this environment and PATH only. */
export async function openElsewhere(place: Place, env: Record<string, string> = {}): Promise<FarStore> {
  const child = fork(fileURLToPath(import.meta.url), [MARK, JSON.stringify(place)], {
    env: { PATH: process.env['PATH'], ...env },
    execArgv: [],
  })
  const waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>()
  let calls = 0
  child.on('message', ({ id, result, error }: Reply) => {
    const { resolve, reject } = waiting.get(id) ?? {}
    waiting.delete(id)
    if (error === undefined) resolve?.(result as never)
    else reject?.(error === 'StoreUnavailable' ? new StoreUnavailable(error) : new Error(error))
  })
  const exited = once(child, 'exit')
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the process has ended'))
  })
  const ask = <Result>(method: Method, arg?: unknown) =>
    new Promise<Result>((resolve, reject) => {
      const call: Call = { id: (calls += 1), method, arg }
      waiting.set(call.id, { resolve, reject })
      child.send(call)
    })
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await exited
  }
  return {
    get: (key) => ask('get', key),
    getMany: (keys) => ask('getMany', keys),
    commit: (commit) => ask('commit', commit),
    count: (count) => ask('count', count),
    scan: (walk) => ask('scan', walk),
    faults: () => ask('faults'),
    weaknesses: () => ask('weaknesses'),
    close: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
}

const MARK = 'serve-a-store'

async function serve(place: Place): Promise<void> {
  const store = await openHere(place)
  process.on('message', ({ id, method, arg }: Call) => {
    const answer = (store[method] as (arg: unknown) => Promise<unknown>)(arg)
    answer.then(
      (result) => process.send?.({ id, result } satisfies Reply),
      (error: Error) => process.send?.({ id, error: error.name } satisfies Reply),
    )
  })
}

if (process.argv[2] === MARK) {
  process.on('disconnect', () => process.exit())
  process.on('SIGTERM', () => process.exit())
  await serve(JSON.parse(process.argv[3] ?? '') as Place)
}
