import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { StoreUnavailable } from '../../src/store/store.ts'
import { type AdminHome, openAdminHome } from '../support/admin.ts'
import { openHomeShell, openShell, type Shell } from '../support/admin-shell.ts'
import { login } from '../support/mail-home.ts'
import { makeWatched, type Watched } from '../support/watched-store.ts'

// The operator imports a file from a shell: each line once, whatever happens on the way.

interface World {
  readonly home: AdminHome
  readonly watched: Watched
  readonly shell: Shell
  readonly dir: string
  readonly file: string
}

async function open(t: Test, lines: readonly (object | string)[], isWatched = false): Promise<World> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-import-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const watched = makeWatched()
  const home = await openAdminHome(t, {}, { store: watched.around })
  const file = join(dir, 'users.ndjson')
  await writeFile(file, lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''))
  return { home, watched, shell: await openHomeShell(home, {}, isWatched), dir, file }
}

const people = (count: number) => Array.from({ length: count }, (_, place) => ({ email: `p${place}@example.org` }))

/** Who is there, by address: each account once. */
async function addressesIn({ home }: World): Promise<string[]> {
  const { port } = home.adminApp.server.address() as { port: number }
  const { lines } = await openShell(`http://127.0.0.1:${port}`)(['export'])
  return lines.map(({ email }) => email).toSorted((one, other) => (one < other ? -1 : 1))
}

async function failuresOf({ file }: World): Promise<Record<string, unknown>[]> {
  const text = await readFile(`${file}.failed`, 'utf8')
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}

t.test('each line is an account, is there already, or is refused, which a file tells with its number', async (t) => {
  const password = 'seven red bicycles in the rain'
  const world = await open(t, [
    { id: 'ada', email: 'ada@example.org', password, roles: ['editor'], email_verified: true },
    { email: 'Grace@Example.org', app: { plan: 'pro' } },
    '',
    'no json',
    { id: 'ada', email: 'ADA@example.org' },
    { id: 'ada', email: 'other@example.org' },
    { email: 'grace@example.org' },
    { email: 'nobody' },
    { id: 'weak', email: 'weak@example.org', password: 'password' },
  ])
  const { code, lines, errors } = await world.shell(['import', world.file])
  t.equal(code, 3, errors)
  t.strictSame(lines, [])
  t.match(errors, /2 created, 1 there already, 5 refused/)
  t.match(errors, /1 email_taken, the first in line 7/)
  t.match(await failuresOf(world), [
    { line: 4, code: 'bad_request' },
    { line: 6, id: 'ada', code: 'id_taken' },
    { line: 7, code: 'email_taken' },
    { line: 8, code: 'bad_request' },
    { line: 9, id: 'weak', code: 'password_unacceptable' },
  ])
  t.strictSame((await readdir(world.dir)).length, 2, 'how far it has come is forgotten')
  t.strictSame(await addressesIn(world), ['ada@example.org', 'grace@example.org'])
  t.match(await world.shell(['show', 'ada']), { lines: [{ roles: ['editor'], email_verified: true }] })
  t.equal((await login(world.home, 'ada@example.org', password)).status, 200)
  t.notMatch(errors + (await readFile(`${world.file}.failed`, 'utf8')), /bicycles|"password"/)
})

t.test('an import that has stopped goes on: nothing twice, nothing lost, and each failure told once', async (t) => {
  const bad = { email: 'none' }
  const world = await open(t, [...people(100), bad, ...people(300).slice(100), bad])
  let commits = 0
  world.watched.watch = async (command, run) => {
    if (command.kind === 'commit' && (commits += 1) > 700) throw new Error('it is broken')
    return run()
  }
  t.match(await world.shell(['import', world.file]), { code: 1, errors: /500 internal/ })
  const { number, tally } = JSON.parse(await readFile(`${world.file}.progress`, 'utf8'))
  t.ok(number > 0 && number < 302, `${number} lines`)
  await appendFile(`${world.file}.failed`, 'what was written of a batch that was not finished')
  world.watched.watch = null
  const { code, errors } = await world.shell(['import', world.file])
  t.equal(code, 3)
  t.match(errors, new RegExp(`Going on after line ${number}\\.`))
  t.match(await failuresOf(world), [{ line: 101 }, { line: 302 }])
  t.equal((await addressesIn(world)).length, 300)
  const [, created, exists] = /([\d,]+) created, ([\d,]+) there already, 2 refused/.exec(errors) ?? []
  t.equal(Number(created) + Number(exists), 300)
  t.ok(tally.created > 0 && Number(exists) <= 300 - number, `${exists} had been sent before`)
})

t.test('a store that is away for a while is waited for', async (t) => {
  const world = await open(t, people(60))
  let failures = 3
  world.watched.watch = async (command, run) => {
    if (command.kind === 'commit' && (failures -= 1) >= 0) throw new StoreUnavailable('it is away')
    return run()
  }
  const { code, errors } = await world.shell(['import', world.file])
  t.equal(code, 0, errors)
  t.match(errors, /Waiting: The service cannot know right now: try again\. \(503 store_unavailable\)/)
  t.equal((await addressesIn(world)).length, 60)
})

t.test('a file that has changed meanwhile, and progress that is none, are refused', async (t) => {
  const world = await open(t, people(10))
  const { file, shell } = world
  await writeFile(`${file}.progress`, JSON.stringify({ digest: 'of another', number: 3, end: 80 }))
  t.match(await shell(['import', file]), { code: 1, errors: /has changed since its import began/ })
  await writeFile(`${file}.progress`, '{"dig')
  t.match(await shell(['import', file]), { code: 1, errors: /is not what this command has written/ })
  t.match(await shell(['import', `${file}.none`]), { code: 1, errors: /cannot be read: ENOENT/ })
  t.match(await shell(['import', world.dir]), { code: 1, errors: /is no file/ })
  t.strictSame(await addressesIn(world), [])
})

t.test('a person who looks sees a bar with the rate, what is left, and what has failed', async (t) => {
  const world = await open(t, [...people(50), 'no json', ...people(150).slice(50)], true)
  const { errors } = await world.shell(['import', world.file])
  t.match(errors, /\r\[#*\.*\] \d+ %(?:, \d+:\d\d left)?: [\d,]+ lines\/s, \d+ created, 0 there already, \d refused/)
  t.match(
    errors.split('\r').at(-1),
    /^Done: 150 created, 0 there already, 1 refused \(1 bad_request, the first in line 51\)/,
  )
})
