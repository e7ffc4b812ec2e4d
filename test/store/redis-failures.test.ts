import t from 'tap'
import { HandshakeRefused } from '../../src/store/redis/handshake.ts'
import { failureOf } from '../../src/store/redis/faults.ts'
import { StoreUnavailable } from '../../src/store/store.ts'

// In which word a failure of Redis is counted.

for (const [message, failure] of [
  ['READONLY You can’t write against a read only replica.', 'read_only'],
  ['MASTERDOWN Link with MASTER is down', 'read_only'],
  ['NOREPLICAS Not enough good replicas to write.', 'no_replicas'],
  ['NOREPLICAS most of the Sentinels do not name one primary', 'no_replicas'],
  ['NOREPLICAS too few replicas have acknowledged', 'replicas_missed'],
  ['LOADING Redis is loading the dataset in memory', 'loading'],
  ['OOM command not allowed when used memory > maxmemory', 'full'],
  ['MISCONF Redis is configured to save RDB snapshots', 'full'],
  ['NOPERM this user has no permissions', 'refused'],
  ["ERR The user executing the script can't run this command or subcommand script", 'refused'],
  ['Command timed out', 'silent'],
  ['Connection is closed.', 'away'],
  ['the store has not been looked at since it was away', 'away'],
  ['connect ECONNREFUSED 127.0.0.1:6379', 'away'],
] as const) {
  t.test(`${message} is ${failure}`, (t) => {
    const error = new Error(message)
    t.equal(failureOf(error), failure)
    t.equal(failureOf(new StoreUnavailable('Redis failed', { cause: error })), failure)
    t.equal(failureOf(Object.assign(new Error('None of the nodes answers'), { lastNodeError: error })), failure)
    t.end()
  })
}

t.test('a handshake that is refused is refused', (t) => {
  t.equal(failureOf(new HandshakeRefused('Redis refuses AUTH (WRONGPASS)')), 'refused')
  t.equal(failureOf('no error'), 'away')
  t.end()
})
