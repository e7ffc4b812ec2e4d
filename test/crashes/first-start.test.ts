import { watch } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startChild } from '../support/child.ts'
import { folder, MAIN, register, start } from '../support/life.ts'

// An instance is killed while it makes its secret and its store.

t.test('killed at any moment of its first start, it starts again with the secret it had', async (t) => {
  for (let changes = 1; changes <= 10; changes += 1) {
    const dir = await folder(t)
    const victim = startChild([process.execPath, MAIN], { PATH: process.env['PATH'], DATA_DIR: dir, PORT: '0' })
    await untilChanged(dir, changes, victim.exited)
    await victim.end('SIGKILL')
    const left = await readdir(dir)
    const secret = left.includes('auth-secret') ? await readFile(join(dir, 'auth-secret'), 'utf8') : null
    const service = await start(t, { DATA_DIR: dir })
    const me = await register(service)
    t.equal((await service.call('GET', '/v1/verify', { token: me.access_token })).status, 204)
    const now = await readFile(join(dir, 'auth-secret'), 'utf8')
    if (secret !== null) t.equal(now, secret, `killed at change ${changes}: ${left.join()}`)
    t.ok(Buffer.from(now, 'base64url').length >= 32)
    await service.kill()
  }
})

/** Resolves at the `count`th change in the folder, or once the process is up and has come to rest. */
async function untilChanged(dir: string, count: number, exited: Promise<unknown>): Promise<void> {
  const watching = new AbortController()
  let seen = 0
  const reached = new Promise<void>((resolve) => {
    watch(dir, { signal: watching.signal }, () => {
      seen += 1
      if (seen === count) resolve()
    })
  })
  await Promise.race([reached, exited, sleep(3000, undefined, { ref: false })])
  watching.abort()
}
