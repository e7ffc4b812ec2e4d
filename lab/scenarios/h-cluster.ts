import { eventually } from '../../test/support/settle.ts'
import type { Scenario, Trial } from '../scenario.ts'
import { suffer } from '../store-fault.ts'
import { newVisitors } from '../visitor.ts'

/** A part of a Cluster goes. */
export const clusterLosesPrimary: Scenario = {
  letter: 'HC',
  name: 'a Cluster loses a primary',
  about:
    'Three primaries with a replica each: one primary is ended by kill -9, its replica takes over, and it comes back as a replica.',
  store: 'cluster',
  async run(trial: Trial) {
    const { store } = trial.fleet
    if (store?.kind !== 'cluster') throw new Error('no Cluster')
    const stayers = await newVisitors(trial, trial.size(2, 12))
    const [primary, , , replica] = store.group.nodes
    const isPromoted = async () => (await replica?.cli('ROLE'))?.startsWith('master')
    const end = async () => {
      await eventually(isPromoted, { within: 20_000 })
      await primary?.restart()
    }
    await suffer(trial, stayers, { begin: async () => primary?.kill(), lastsMs: 500, end })
  },
}
