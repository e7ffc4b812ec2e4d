import type { Scenario, Trial } from '../scenario.ts'
import type { Store } from '../store.ts'
import { suffer } from '../store-fault.ts'
import { newVisitors } from '../visitor.ts'

const SLOW_MS = 200 // an answer takes this much longer

/** The store fails. */
export const storeFails: Scenario = {
  letter: 'H',
  name: 'the store fails',
  about:
    'Under load the one Redis is frozen for two and a half seconds, slow, ended by kill -9 for a second and started again with its data, and at last without. Some log out before, some meanwhile; copies of what they had are shown to every instance. What is lost with the data is counted apart.',
  store: 'standalone',
  async run(trial: Trial) {
    const { store } = trial.fleet
    if (store?.kind !== 'standalone') throw new Error('no Redis of its own')
    const stayers = await newVisitors(trial, trial.size(2, 12))
    for (const fault of faultsOf(store)) await suffer(trial, stayers, fault)
  },
}

function faultsOf(store: Store & { readonly kind: 'standalone' }) {
  const { proxy, freeze, thaw, kill, restart, lose } = store
  return [
    { begin: async () => freeze(), lastsMs: 2500, end: async () => thaw() },
    { begin: () => proxy.delay(SLOW_MS), lastsMs: 2000, end: () => proxy.pass() },
    { begin: kill, lastsMs: 1000, end: restart },
    { begin: () => kill().then(lose), lastsMs: 1000, end: restart, destroys: true },
  ]
}
