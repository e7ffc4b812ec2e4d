import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit'
import { spread } from '../../auth/credentials/guesses.ts'
import { networksOf } from '../../domain/ip-address.ts'
import { counters } from '../../store/keys.ts'
import type { Store } from '../../store/store.ts'

/**
 * Where @fastify/rate-limit counts requests: in our store, by the address in the key (`<limit> <address>`) and by the networks
 * around it, at once. Only whether one of them is used up is told, not how far.
 */
export function limitStore(store: Store): FastifyRateLimitStoreCtor {
  return class implements FastifyRateLimitStore {
    incr(
      key: string,
      done: (error: Error | null, result?: { current: number; ttl: number }) => void,
      windowMs = 0,
      max = 0,
    ): void {
      const [name = '', address = ''] = key.split(' ')
      const networks = networksOf(address)
      const widest = networks.at(-1)?.name ?? ''
      const keyOf = (network: string) => counters.requests(name, widest, network)
      store
        .count({ counters: spread({ count: max, windowMs }, networks, keyOf), adds: true, mayBeLost: true })
        .then(
          (usedUp) => done(null, { current: usedUp === null ? max : max + 1, ttl: usedUp?.leftMs ?? windowMs }),
          done,
        )
    }

    child(): FastifyRateLimitStore {
      return this
    }
  }
}
