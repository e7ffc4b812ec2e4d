import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { ADMIN_KEY } from '../support/env.ts'
import { type Child, startChild } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { type Service, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'

// The command `admin` as a process, at a service of its own.

const MAIN = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))
/** What the page on operating shows. */
const SHOWN = 'npm run --silent admin -- list'

interface World {
  readonly dir: string
  readonly service: Service
  /** What the command hears. */
  readonly env: Record<string, string | undefined>
  /** Starts the command as the page shows it, with the key in a file. */
  readonly admin: (...words: string[]) => Child
}

async function open(t: Test, env: Record<string, string> = {}): Promise<World> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-admin-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const ADMIN_PORT = `${await freePort()}`
  const ADMIN_KEY_FILE = join(dir, 'key')
  await writeFile(ADMIN_KEY_FILE, `${ADMIN_KEY}\n`)
  const service = await startService({
    DATA_DIR: join(dir, 'data'),
    ADMIN_PORT,
    ADMIN_KEYS: `ops+export=${ADMIN_KEY}`,
    LIMIT_REGISTER: '1000/1m',
    ...env,
  })
  t.teardown(() => service.kill())
  const { PATH, HOME } = process.env
  const heard = { PATH, HOME, ADMIN_PORT, ADMIN_KEY_FILE }
  const admin = (...words: string[]) => startChild([process.execPath, MAIN, 'admin', ...words], heard)
  return { dir, service, env: heard, admin }
}

t.test('the command finds the listener and its key by itself, and its key is nowhere to be seen', async (t) => {
  const { service, env, admin } = await open(t)
  const body = { email: 'ada@example.org', password: 'seven red bicycles in the rain' }
  t.equal((await service.call('POST', '/v1/register', { body })).status, 201)
  const listed = admin(...SHOWN.split(' -- ')[1]!.split(' '))
  t.equal(await listed.exited, 0)
  t.equal(listed.lines().length, 1)
  t.match(JSON.parse(listed.lines()[0] ?? ''), { email: 'ada@example.org' })
  const nobody = admin('show', 'nobody')
  t.equal(await nobody.exited, 1)
  t.match(nobody.lines(), ['There is nothing here. (404 not_found)'])
  const slip = admin('disabel', 'ada@example.org')
  t.equal(await slip.exited, 2)
  t.match(slip.lines().join('\n'), /^There is no order disabel\.[^]*disable USER/)
  await service.stop()
  t.ok(service.lines().some((line) => line.includes(`"admin_address":"http://127.0.0.1:${env.ADMIN_PORT}"`)))
  const said = [...listed.lines(), ...nobody.lines(), ...slip.lines(), ...service.lines()].join('\n')
  t.notMatch(said, ADMIN_KEY.slice(5))
})

t.test('by npm from another folder, files are those of that folder', async (t) => {
  const { dir, env } = await open(t)
  await writeFile(join(dir, 'users.ndjson'), '{"id":"ada","email":"ada@example.org"}\n')
  const npm = async (...words: string[]) =>
    promisify(execFile)('npm', ['--prefix', process.cwd(), 'run', '--silent', 'admin', '--', ...words], {
      cwd: dir,
      env,
    })
  t.match((await npm('import', 'users.ndjson')).stderr, /1 created/)
  await npm('export', 'all.ndjson')
  t.match(JSON.parse(await readFile(join(dir, 'all.ndjson'), 'utf8')), { id: 'ada' })
})

t.test('an import that is killed again and again makes each account once, and tells each failure once', async (t) => {
  const { dir, admin } = await open(t)
  const file = join(dir, 'users.ndjson')
  const lines = Array.from({ length: 1500 }, (_, place) =>
    place % 100 === 99 ? 'no json' : JSON.stringify({ email: `p${place}@example.org` }),
  )
  await writeFile(file, lines.join('\n'))
  const comeSoFar = async () => Number(JSON.parse(await readFile(`${file}.progress`, 'utf8')).number)
  for (let kills = 0, last = 0; kills < 3; kills += 1) {
    const running = admin('import', file)
    last = await eventually(async () => (await comeSoFar()) > last && comeSoFar(), { within: 30_000 })
    await running.end('SIGKILL')
    t.ok(last < 1500, `killed after line ${last}`)
  }
  const done = admin('import', file)
  t.equal(await done.exited, 3)
  const words = done.lines().join('\n')
  const [, created = '', exists = ''] = /([\d,]+) created, ([\d,]+) there already, 15 refused/.exec(words) ?? []
  t.equal(numberOf(created) + numberOf(exists), 1485, words)
  const failures = (await readFile(`${file}.failed`, 'utf8')).split('\n').slice(0, -1)
  t.strictSame(
    failures.map((line) => JSON.parse(line).line),
    Array.from({ length: 15 }, (_, place) => 100 * (place + 1)),
  )
  const exported = admin('export')
  t.equal(await exported.exited, 0)
  const emails = exported.lines().map((line) => JSON.parse(line).email)
  t.equal(emails.length, 1485)
  t.equal(new Set(emails).size, 1485)
})

function numberOf(digits: string): number {
  return Number(digits.replaceAll(',', ''))
}
