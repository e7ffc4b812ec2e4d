import { eventually } from '../../test/support/settle.ts'
import type { RedisProcess, RedisSentinel } from '../../test/support/redis.ts'
import type { Scenario, Trial } from '../scenario.ts'
import { suffer } from '../store-fault.ts'
import { newVisitors, type Visitor } from '../visitor.ts'

/** Sentinel makes another Redis the primary. */
export const sentinelFailover: Scenario = {
  letter: 'HS',
  name: 'Sentinel fails over',
  about:
    'A primary, two replicas and three Sentinels: a clean failover, one by kill -9, and one after a time in which both replicas were frozen, so that what was acknowledged then was on the lost primary only (the quick form does the last alone).',
  store: 'sentinel',
  async run(trial: Trial) {
    const { store } = trial.fleet
    if (store?.kind !== 'sentinel') throw new Error('no Sentinel')
    const { group } = store
    const stayers = await newVisitors(trial, trial.size(2, 12))
    const nodes = [group.primary, ...group.replicas]
    if (trial.size(0, 1) === 1) {
      await suffer(trial, stayers, { begin: group.failover, lastsMs: 500, end: async () => {} })
      await killPrimary(trial, stayers, group)
    }
    await loseReplicas(trial, stayers, group, nodes)
  },
}

async function killPrimary(trial: Trial, stayers: readonly Visitor[], group: RedisSentinel): Promise<void> {
  const primary = await group.settled()
  await suffer(trial, stayers, { begin: primary.kill, lastsMs: 500, end: () => isReplaced(group, primary) })
  await primary.restart()
}

async function loseReplicas(
  trial: Trial,
  stayers: readonly Visitor[],
  group: RedisSentinel,
  nodes: readonly RedisProcess[],
): Promise<void> {
  const primary = await group.settled()
  const replicas = nodes.filter((node) => node !== primary)
  const end = async () => {
    await primary.kill()
    for (const replica of replicas) replica.thaw()
    await isReplaced(group, primary)
  }
  await suffer(trial, stayers, {
    begin: async () => replicas.forEach((replica) => replica.freeze()),
    lastsMs: 800,
    end,
  })
}

/** Resolves when the Sentinels name another. */
async function isReplaced(group: RedisSentinel, primary: RedisProcess): Promise<void> {
  const next = async () => {
    const node = await group.current()
    return node !== undefined && node !== primary
  }
  await eventually(next, { within: 30_000 })
}
