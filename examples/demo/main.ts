import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeFront } from './front.ts'
import { makeInstance } from './instances.ts'
import { choosePorts } from './ports.ts'

// Three instances of the service, the page, and a server in front of them: `npm run demo`. It keeps nothing.

// What the instances hear of this shell: nothing of where a service keeps its data, with which secret, under which name.
const FROM_SHELL = /^(PATH|HOME|TMPDIR|ACCESS_TTL|REFRESH_GRACE|STEP_UP_AGE|SECOND_FACTOR|LOG_LEVEL|LIMIT_\w+)$/

const { port, above } = await choosePorts(process.env['PORT'] || '8080', 3).catch(refuse)
const folder = mkdtempSync(join(tmpdir(), 'latchkey-demo-')) // no signal comes between this and `stop`
const url = `http://localhost:${port}`
const mails = join(folder, 'mails')
const env = {
  ACCESS_TTL: '30s', // worth looking at
  LOG_LEVEL: 'error',
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => FROM_SHELL.test(name))),
  DATA_DIR: folder,
  ISSUER: url,
  MAIL_URL: `file:${mails}`,
  MAIL_FROM: 'Latchkey <latchkey@example.org>',
  APP_URL: url, // the page
  TRUST_PROXY: '127.0.0.1',
}

const instances = above.map((each, index) => makeInstance(`${index + 1}`, each, env))
const front = makeFront(port, instances, mails)
let isStopping = false

async function stop(code: number): Promise<void> {
  if (isStopping) return // npm sends Ctrl-C on, which the terminal has sent already
  isStopping = true
  front.close()
  front.closeAllConnections()
  await Promise.all(instances.map((instance) => instance.end('SIGINT')))
  await rm(folder, { recursive: true, force: true })
  process.exit(code)
}
process.on('SIGINT', () => void stop(0))
process.on('SIGTERM', () => void stop(0))

try {
  await once(front.listen(port, '127.0.0.1'), 'listening')
  await Promise.all(instances.map((instance) => instance.start()))
  process.stdout.write(`Latchkey's demo: ${url} (three instances; Ctrl-C ends it)\n`)
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  await stop(1)
}

function refuse({ message }: Error): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
