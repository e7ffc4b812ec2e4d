import { mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findLibrary } from './debian.ts'

/** Host names as processes started with `env` resolve them. */
export type Names = {
  readonly env: Record<string, string>
  /** Makes `name` mean these addresses, or nothing any more; running processes follow at once. */
  readonly point: (name: string, ...addresses: string[]) => Promise<void>
  readonly stop: () => Promise<void>
}

/** Makes a table of names of the test's own; what is not in it the system is asked for. */
export async function makeNames(): Promise<Names> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-names-'))
  const file = join(dir, 'hosts')
  const table = new Map<string, readonly string[]>()
  let written = 0
  const write = async () => {
    const lines = [...table].flatMap(([name, addresses]) => addresses.map((address) => `${address} ${name}\n`))
    await writeFile(`${file}.next`, lines.join(''))
    const at = Math.floor(Date.now() / 1000) + (written += 1) // it is read again when its second of change is another
    await utimes(`${file}.next`, at, at)
    await rename(`${file}.next`, file)
  }
  await write()
  return {
    env: {
      LD_PRELOAD: await findLibrary('libnss-wrapper', 'libnss_wrapper.so'),
      NSS_WRAPPER_HOSTS: file,
      RES_OPTIONS: 'timeout:1 attempts:1',
      UV_THREADPOOL_SIZE: '1', // the wrapper was made for one thread that asks
    },
    async point(name, ...addresses) {
      table.set(name, addresses)
      await write()
    },
    stop: () => rm(dir, { recursive: true, force: true }),
  }
}
