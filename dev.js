import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

// npm run dev: builds the service and starts it, again whenever something in src changes; until it compiles the last one
// goes on. It looks by itself: `tsc --watch` sees nothing in a folder two levels below the root, and the recursive watch of
// Node 20 loses a file that an editor replaces.

const LOOK_MS = 300

const over = new AbortController()
let seen = ''
let stop = async () => {}

const run = (command, ...args) => spawn(command, args, { stdio: 'inherit' })

function look() {
  const files = readdirSync('src', { encoding: 'utf8', recursive: true })
  return files.map((file) => `${file} ${statSync(join('src', file), { throwIfNoEntry: false })?.mtimeMs}`).join('\n')
}

async function restart() {
  const [code] = await once(run('npm', 'run', '--silent', 'build'), 'exit')
  if (code !== 0) return
  await stop()
  const service = run(process.execPath, 'dist/main.js')
  const exited = once(service, 'exit')
  stop = async () => {
    service.kill('SIGINT') // at once: SIGTERM would drain
    await exited
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => over.abort())

while (!over.signal.aborted) {
  const found = look()
  if (found !== seen) await restart()
  seen = found
  await wait(LOOK_MS)
}
await stop()
