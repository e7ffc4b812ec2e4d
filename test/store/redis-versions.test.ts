import t from 'tap'
import { fencesScripts } from '../../src/store/redis/replicas.ts'

// Which versions of Redis refuse a script on a primary that has lost its replicas.

for (const [version, fences] of [
  ['7.0.0', true],
  ['7.0.15', true],
  ['7.4.1', true],
  ['8.2.0', true],
  ['10.0.0', true],
  ['255.255.255', true], // built from its newest source
  ['6.2.18', false],
  ['6.0.16', false],
  ['5.0.7', false],
  ['0.7.0', false],
] as const) {
  t.test(`Redis ${version} ${fences ? 'fences' : 'does not fence'} scripts`, (t) => {
    t.equal(fencesScripts(`# Server\r\nredis_version:${version}\r\nredis_mode:standalone\r\n`), fences)
    t.end()
  })
}

t.test('a server that tells no version counts as old', (t) => {
  for (const report of ['', 'redis_version:\r\n', 'redis_version:7', 'valkey_version:8.0.1\r\n'])
    t.equal(fencesScripts(report), false, report)
  t.end()
})
