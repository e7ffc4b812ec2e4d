import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Child, startChild } from './child.ts'
import { freePort } from './free-port.ts'

/** The demo, as `npm run demo` starts it: three instances behind one origin. */
export type Demo = {
  readonly url: string
  readonly port: number
  /** Kills the instances of these names, or starts them again, as the page's buttons do. */
  readonly kill: (...names: readonly string[]) => Promise<void>
  readonly start: (...names: readonly string[]) => Promise<void>
  /** Replaces its keys, as `npm run revoke-everything` does. */
  readonly revokeEverything: () => Promise<void>
  /** Signals it, SIGTERM unless told; resolves when it is gone. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>
}

const MAIN = fileURLToPath(new URL('../../examples/demo/main.js', import.meta.url))
const SERVICE = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))

/** A port for the demo: its instances take the three above it. */
export const demoPort = () => freePort(4)

/** Starts the demo's process with this environment; `folder`, made for it, is where it keeps what is temporary. */
export async function launchDemo(
  env: Record<string, string>,
): Promise<{ readonly child: Child; readonly folder: string }> {
  const { PATH, HOME } = process.env
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-demo-'))
  return { child: startChild([process.execPath, MAIN], { PATH, HOME, TMPDIR: folder, ...env }), folder }
}

/** Starts the demo with this environment; resolves when its instances are ready. */
export async function startDemo(env: Record<string, string> = {}): Promise<Demo> {
  const port = await demoPort()
  const { child, folder } = await launchDemo({ PORT: `${port}`, ...env })
  await child.printed('http://localhost').catch(async (error: unknown) => {
    await child.end('SIGKILL')
    throw error
  })
  const url = `http://localhost:${port}`
  const command =
    (verb: string) =>
    async (...names: readonly string[]) => {
      const headers = { 'sec-fetch-site': 'same-origin' }
      const sent = names.map((name) => fetch(`${url}/demo/instances/${name}/${verb}`, { method: 'POST', headers }))
      for (const { status } of await Promise.all(sent)) if (status !== 200) throw new Error(`${verb}: ${status}`)
    }
  return {
    url,
    port,
    kill: command('kill'),
    start: command('start'),
    async revokeEverything() {
      const [data = ''] = await readdir(folder)
      const own = { PATH: process.env['PATH'], ISSUER: url, DATA_DIR: join(folder, data) }
      await promisify(execFile)(process.execPath, [SERVICE, 'revoke-everything'], { env: own })
    },
    async stop(signal = 'SIGTERM') {
      await child.end(signal)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
