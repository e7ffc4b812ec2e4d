import { cp, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { NO_LIMITS } from '../support/env.ts'
import type { Newcomer } from '../support/home.ts'
import { type Answer, type CallRequest, type Service, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'

// The embedded store on a full disk and with a damaged file. That it survives kill -9 is shown in test/crashes/.

const ENV = { ISSUER: 'http://localhost:3000', ...NO_LIMITS }
const PASSWORD = 'seven red bicycles in the rain'

type Session = { readonly access_token: string; readonly refresh_token: string }

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-lmdb-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

async function start(
  t: Test,
  dir: string,
  until: 'live' | 'ready' = 'ready',
  command?: readonly string[],
): Promise<Service> {
  const service = await startService({ ...ENV, DATA_DIR: dir }, { until, ...(command && { command }) })
  let isOver = false
  void service.exited.then((code) => isOver || t.comment(`exit code ${code}`, ...service.lines().slice(-5)))
  t.teardown(() => {
    isOver = true
    return service.kill()
  })
  return service
}

let addresses = 0

async function register(at: Service): Promise<Newcomer> {
  const email = `lmdb-${process.pid}-${(addresses += 1)}@example.org`
  const answer = await at.call('POST', '/v1/register', { body: { email, password: PASSWORD } })
  if (answer.status !== 201) throw new Error(`register: ${answer.status}`)
  return { email, password: PASSWORD, ...answer.body }
}

const verify = (at: Service, { access_token }: Session) => at.call('GET', '/v1/verify', { token: access_token })
const refresh = (at: Service, { refresh_token }: Session) => at.call('POST', '/v1/refresh', { body: { refresh_token } })
const logout = (at: Service, { refresh_token }: Session) => at.call('POST', '/v1/logout', { body: { refresh_token } })

function isRefusal({ status, headers, body }: Answer<any>): boolean {
  const isProblem =
    headers.get('content-type')?.startsWith('application/problem+json') && body.code === 'store_unavailable'
  return (
    status === 503 &&
    isProblem === true &&
    Number(headers.get('retry-after')) > 0 &&
    headers.getSetCookie().length === 0
  )
}

const MAIN = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))
const ROOM = 'mount -t tmpfs -o size=40m,mode=700 tmpfs "$DATA_DIR" && exec "$0" "$1"'

/** Starts an instance whose folder is a small disk of its own, which ends with it; `disk` is where others see it. */
async function startOnSmallDisk(t: Test, dir: string): Promise<{ readonly one: Service; readonly disk: string }> {
  const one = await start(t, dir, 'ready', ['unshare', '-rm', 'sh', '-c', ROOM, process.execPath, MAIN])
  return { one, disk: `/proc/${one.pid}/root${dir}` }
}

/** Fills the disk, until it is told otherwise. */
async function fill(disk: string): Promise<() => Promise<void>> {
  const filler = join(disk, 'filler')
  await writeFile(filler, Buffer.alloc(64 * 1024 * 1024)).catch(() => {}) // as much as there is room for
  return () => rm(filler)
}

t.test(
  'on a full disk it reads, refuses every write with 503, and has the last answered state after a restart',
  async (t) => {
    const dir = await folder(t)
    const { one, disk } = await startOnSmallDisk(t, dir)
    const people = await Promise.all(Array.from({ length: 8 }, () => register(one)))
    const [me, gone, leaving, writer, changing] = people as [Newcomer, Newcomer, Newcomer, Newcomer, Newcomer]
    await logout(one, gone)
    const textOf = (count: number) => `${count}`.repeat(4000)
    const patch = (count: number) =>
      one.call('PATCH', '/v1/session/data', { token: writer.access_token, body: { count, text: textOf(count) } })
    const answered = 20
    for (let count = 0; count <= answered; count += 1) t.equal((await patch(count)).status, 200)
    const makeRoom = await fill(disk)
    t.ok(isRefusal(await patch(answered + 1)), 'the next write is refused')

    await t.test('while it is full', async (t) => {
      t.equal((await verify(one, me)).status, 204)
      t.match(await verify(one, gone), { status: 401, body: { code: 'token_revoked' } })
      t.equal((await one.call('GET', '/v1/me', { token: me.access_token })).status, 200)
      const { email, password } = me
      const change = { current_password: PASSWORD, new_password: `${PASSWORD} again` }
      const writes: readonly (readonly [string, string, CallRequest])[] = [
        ['POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } }],
        ['POST', '/v1/login', { body: { email, password } }],
        ['POST', '/v1/register', { body: { email: `new-${email}`, password } }],
        ['POST', '/v1/logout', { body: { refresh_token: leaving.refresh_token } }],
        ['POST', '/v1/logout', { token: leaving.access_token, body: { scope: 'all' } }],
        ['POST', '/v1/password', { token: changing.access_token, body: change }],
        ['DELETE', '/v1/me', { token: changing.access_token, body: { password } }],
        ['PATCH', '/v1/me/preferences', { token: changing.access_token, body: { text: 'x'.repeat(14_000) } }],
      ]
      for (const [method, path, request] of writes) {
        const answer = await one.call(method, path, request)
        t.ok(isRefusal(answer), `${method} ${path}: ${answer.status}`)
      }
      t.equal((await verify(one, leaving)).status, 204, 'nothing of what was refused has happened')
      t.equal((await verify(one, changing)).status, 204)
      t.equal((await one.call('GET', '/livez')).status, 200)
    })

    await t.test('it is not ready, and says why', async (t) => {
      const ready = await one.call('GET', '/readyz')
      t.equal(ready.status, 503)
      t.ok(ready.body.reasons?.length > 0)
    })

    async function isAsAnswered(t: Test, at: Service): Promise<void> {
      const { body } = await at.call('GET', '/v1/session/data', { token: writer.access_token })
      t.ok([answered, answered + 1].includes(body.count), `count ${body.count} after ${answered} was answered`)
      t.equal(body.text, textOf(body.count))
      t.match(await verify(at, gone), { status: 401, body: { code: 'token_revoked' } })
      t.match(await refresh(at, gone), { status: 401, body: { reason: 'logged_out' } })
      for (const person of [me, leaving, changing, writer]) t.equal((await verify(at, person)).status, 204)
      const login = await at.call('POST', '/v1/login', { body: { email: changing.email, password: PASSWORD } })
      t.equal(login.status, 200, 'a password change that was refused has not happened')
    }

    await t.test('after kill -9 and a restart its state is the last answered one', async (t) => {
      const copy = await folder(t)
      await cp(disk, copy, { recursive: true, filter: (path) => !path.endsWith('filler') }) // what a crash would leave: nothing of it is in memory only
      await isAsAnswered(t, await start(t, copy))
    })

    await t.test('with room again it goes on without a restart', async (t) => {
      await makeRoom()
      await eventually(async () => (await patch(answered + 1)).status === 200, { within: 5000 })
      await eventually(async () => (await one.call('GET', '/readyz')).status === 200, { within: 5000 })
      await isAsAnswered(t, one)
      for (const person of people.filter((each) => each !== gone)) t.equal((await refresh(one, person)).status, 200)
      t.equal((await logout(one, leaving)).status, 204)
      t.match(await verify(one, leaving), { status: 401 })
      const sound = one.lines().filter((line) => /uncaught|"code":"internal"/.test(line))
      t.strictSame(sound, [])
    })

    const copy = await folder(t)
    await cp(disk, copy, { recursive: true })
    t.equal(await one.stop('SIGINT'), 0)
    t.match(await verify(await start(t, copy), leaving), { status: 401 })
  },
)

t.test(
  'a damaged data file is recovered from, or refused with a message; what was answered is never lost in silence',
  async (t) => {
    const dir = await folder(t)
    const first = await start(t, dir)
    const people: Newcomer[] = []
    for (let count = 0; count < 12; count += 1) people.push(await register(first))
    const [gone, , ...others] = people.toReversed() as [Newcomer, Newcomer, ...Newcomer[]]
    for (const [index, { access_token: token }] of others.entries()) {
      await first.call('PATCH', '/v1/me/preferences', { token, body: { index, text: 'x'.repeat(index * 300) } })
    }
    t.equal((await logout(first, gone)).status, 204)
    const later = await register(first) // so that the logout is not in the last transaction
    await first.stop('SIGINT')
    const { size } = await stat(join(dir, 'data.mdb'))
    const pages = size / 4096

    /** What is wrong with an instance on a copy of the folder after `damage`, if it lets people in at all. */
    async function whatIsLost(t: Test, damage: (file: string) => Promise<void>): Promise<string[]> {
      const copy = await folder(t)
      await cp(dir, copy, { recursive: true })
      await damage(join(copy, 'data.mdb'))
      const at = await start(t, copy, 'live').catch((error: Error) => error)
      if (at instanceof Error) return refusal(at)
      const lost: string[] = []
      const ask = async (what: string, right: readonly string[], send: () => Promise<Answer<any>>) => {
        const seen = await send().then(
          ({ status, body }) => [status, body.reason ?? body.code].join(' ').trim(),
          (error: Error) => error.message,
        )
        if (!right.includes(seen) && !seen.startsWith('503')) lost.push(`${what}: ${seen}`)
      }
      await ask('revoked token', ['401 token_revoked'], () => verify(at, gone))
      await ask('session that was ended', ['401 logged_out'], () => refresh(at, gone))
      for (const [index, person] of [...others, later].entries()) {
        await ask(`token ${index}`, ['204'], () => verify(at, person))
        await ask(`session ${index}`, ['200'], () => refresh(at, person))
        await ask(`account ${index}`, ['200'], () => at.call('GET', '/v1/me', { token: person.access_token }))
      }
      for (const [index, { access_token: token }] of others.entries()) {
        await ask(`preferences ${index}`, ['200 ok'], async () => {
          const answer = await at.call('GET', '/v1/me/preferences', { token })
          return answer.body.index === index ? { ...answer, body: { code: 'ok' } } : answer
        })
      }
      await at.kill()
      return lost
    }

    /** A process that does not come up says why, and ends by itself. */
    function refusal({ message }: Error): string[] {
      const [exit = '', ...lines] = message.split('\n')
      return /exit code [1-9]/.test(exit) && lines.some((line) => /data/i.test(line)) ? [] : [`no message: ${exit}`]
    }

    const cut = (to: number) => (file: string) => truncate(file, to)
    const rewrite = (change: (bytes: Buffer) => void) => async (file: string) => {
      const bytes = await readFile(file)
      change(bytes)
      await writeFile(file, bytes)
    }
    /** Turns one bit wherever the text is found, old copies of the page included. */
    const flip = (text: string, offset = 0) =>
      rewrite((bytes) => {
        let found = 0
        for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + text.length)) {
          bytes.writeUInt8(bytes.readUInt8(at + offset) ^ 1, at + offset)
          found += 1
        }
        if (found === 0) throw new Error(`${text} is not in the file`)
      })
    const [spoilt] = others as [Newcomer]

    const damages: Readonly<Record<string, (file: string) => Promise<void>>> = {
      'nothing at all': async () => {},
      'cut to one page': cut(4096),
      'cut to its half': cut(Math.floor(pages / 2) * 4096),
      'cut by three pages': cut(size - 3 * 4096),
      'cut in the middle of a page': cut(size - 2 * 4096 - 100),
      'overwritten by something else': rewrite((bytes) => bytes.fill('This is no database. ')),
      'a bit of an account turned': flip(spoilt.email, 2),
      'the signing keys overwritten': flip('{latchkey}:signing-keys', 30),
    }
    for (const [name, damage] of Object.entries(damages)) {
      await t.test(name, async (t) => t.strictSame(await whatIsLost(t, damage), []))
    }

    await t.test('the secret lost: not ready, with the reason, and no token is called invalid', async (t) => {
      const copy = await folder(t)
      await cp(dir, copy, { recursive: true })
      await rm(join(copy, 'auth-secret'))
      const at = await start(t, copy, 'live')
      const ready = await eventually(
        async () => {
          const answer = await at.call('GET', '/readyz')
          return String(answer.body.reasons).includes('AUTH_SECRET') && answer
        },
        { within: 5000 },
      )
      t.equal(ready.status, 503)
      t.equal((await verify(at, later)).status, 503)
    })

    await t.test('a folder that is a file: refused with a message', async (t) => {
      const file = join(await folder(t), 'file')
      await writeFile(file, '')
      const refused = await start(t, file).catch((error: Error) => error)
      t.match((refused as Error).message, /exit code 1[^]*(EEXIST|ENOTDIR)/)
    })
  },
)

t.test('two processes on one folder share it, by design', async (t) => {
  const dir = await folder(t)
  const one = await start(t, dir)
  const two = await start(t, dir)
  const me = await register(one)
  t.equal((await verify(two, me)).status, 204)
  t.equal((await logout(two, me)).status, 204)
  t.match(await verify(one, me), { status: 401, body: { code: 'token_revoked' } })
  await two.kill()
  const you = await register(one)
  const three = await start(t, dir)
  t.equal((await verify(three, you)).status, 204, 'a process that was killed leaves no lock behind')
})
