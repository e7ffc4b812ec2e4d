import t, { type Test } from 'tap'
import { StoreUnavailable } from '../../src/store/store.ts'
import { ADMIN_KEY } from '../support/env.ts'
import { type AdminHome, openAdminHome } from '../support/admin.ts'
import { startRedis } from '../support/redis.ts'
import { makeWatched } from '../support/watched-store.ts'

// The operator moves people in: a line each, and an answer for each line.

const PASSWORD = 'seven red bicycles in the rain'
/** Of PASSWORD. */
const BCRYPT = '$2b$05$CCCCCCCCCCCCCCCCCCCCC.e.s.qa.KIPvliLIiUM55B//D8FdJQQ.'
const BOMB = '$argon2id$v=19$m=1048576,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'

const redis = await startRedis()
t.teardown(redis.stop)
const STORES = { LMDB: {}, Redis: { REDIS_URL: redis.url } }

type Result = { line: number; id?: string; status: string; code?: string }

interface Imported {
  readonly status: number
  readonly headers: Record<string, any>
  readonly results: readonly Result[]
  readonly code?: string
}

async function importText(home: AdminHome, body: string, type = 'application/x-ndjson'): Promise<Imported> {
  const { status, headers, ...answer } = await home.admin('POST', '/admin/v1/users/import', {
    body,
    headers: { 'content-type': type },
  })
  if (status !== 200) return { status, headers, results: [], code: answer.body.code }
  const lines = (typeof answer.body === 'string' ? answer.body : `${JSON.stringify(answer.body)}\n`).split('\n')
  return { status, headers, results: lines.slice(0, -1).map((line: string) => JSON.parse(line) as Result) }
}

const textOf = (bodies: readonly unknown[]) =>
  bodies.map((body) => (typeof body === 'string' ? body : JSON.stringify(body))).join('\n')

let made = 0
function people(count: number) {
  const tag = `import-${(made += 1)}-${process.pid}-${Date.now()}`
  return Array.from({ length: count }, (_, place) => {
    const id = `${tag}-${place}`
    return { id, email: `${id}@example.org`, password_hash: BCRYPT }
  })
}

const login = (home: AdminHome, email: string, password = PASSWORD) =>
  home.call('POST', '/v1/login', { body: { email, password } })

const STORIES: Record<string, (t: Test, home: AdminHome) => Promise<void>> = {
  async 'many are moved in, in order, and log in with the password of before'(t, home) {
    const many = people(500)
    const { status, headers, results } = await importText(home, textOf(many))
    t.equal(status, 200)
    t.match(headers['content-type'], 'application/x-ndjson')
    t.strictSame(
      results,
      many.map(({ id }, place) => ({ line: place + 1, id, status: 'created' })),
    )
    for (const { email } of [many[0], many[250], many[499]] as { email: string }[])
      t.equal((await login(home, email)).status, 200)
    t.equal(home.events('account.created').length, 500)
    const again = await importText(home, textOf(many))
    t.strictSame(new Set(again.results.map((result) => result.status)), new Set(['exists']))
    t.equal(home.events('account.created').length, 500)
  },

  async 'a bad line is refused with its code, and stops no other; empty lines are counted'(t, home) {
    const [one, two, three, four, five] = people(5) as { id: string; email: string; password_hash: string }[]
    const { id, email } = four as { id: string; email: string }
    const lines: [unknown, string?][] = [
      [one],
      [''],
      ['{"email":'],
      ['not JSON'],
      ['null'],
      ['[]'],
      ['  '],
      [{ ...two, generation: 7 }, 'bad_request'],
      [`{"id":"${id}","email":"${email}","__proto__":{"a":1}}`],
      [`{"id":"${id}","email":"${email}","id":"other"}`],
      [{ id, email: 'no address' }],
      [{ id, email, app: { a: 'x'.repeat(1100) } }, 'too_large'],
      [{ id, email, password: 'short' }, 'password_unacceptable'],
      [{ id, email, password_hash: BOMB }, 'hash_unacceptable'],
      [{ id, email, password_hash: '$1$abcdefgh$eLjCaO1vhn3u4Ym1M3.5b/' }, 'hash_unacceptable'],
      [{ ...three, id: one?.id }, 'id_taken'],
      [{ ...three, email: one?.email.toUpperCase() }, 'email_taken'],
      [`${JSON.stringify(two)}\r`],
      [{ email: five?.email, password: PASSWORD }],
    ]
    const { status, results } = await importText(home, `${textOf(lines.map(([line]) => line))}\n`)
    t.equal(status, 200)
    const refused = (line: number, code: string, ofId?: string) => ({
      line,
      ...(ofId && { id: ofId }),
      status: 'refused',
      code,
    })
    t.strictSame(results.slice(0, -1), [
      { line: 1, id: one?.id, status: 'created' },
      ...[3, 4, 5, 6, 8, 9, 10].map((line) => refused(line, 'bad_request')),
      refused(11, 'bad_request', id),
      refused(12, 'too_large', id),
      refused(13, 'password_unacceptable', id),
      refused(14, 'hash_unacceptable', id),
      refused(15, 'hash_unacceptable', id),
      refused(16, 'id_taken', one?.id),
      refused(17, 'email_taken', three?.id),
      { line: 18, id: two?.id, status: 'created' },
    ])
    t.match(results.at(-1), { line: 19, id: /^[\w-]{22}$/, status: 'created' })
    for (const each of [one, two, five]) t.equal((await login(home, each?.email ?? '')).status, 200)
    t.notMatch(JSON.stringify(home.lines), /\$2b\$|argon2id|bicycles|example\.org/)
  },

  async 'of several lines with one id or address the first is made, each time'(t, home) {
    const many = people(20)
    const doubled = many.flatMap(({ id, email, password_hash }) => [
      { id, email, password: PASSWORD }, // takes longer than the next
      { id: `${id}-b`, email, password_hash },
      { id, email },
    ])
    const { results } = await importText(home, textOf(doubled))
    t.strictSame(
      results.map(({ status, code }) => code ?? status),
      many.flatMap(() => ['created', 'email_taken', 'exists']),
    )
  },
}

for (const [store, env] of Object.entries(STORES)) {
  for (const [name, story] of Object.entries(STORIES))
    t.test(`${name}, on ${store}`, async (t) => story(t, await openAdminHome(t, env)))

  t.test(
    `a store that fails in the middle fails the whole, and a repeat makes nothing twice, on ${store}`,
    async (t) => {
      const watched = makeWatched()
      const home = await openAdminHome(t, env, { store: watched.around })
      const many = people(100)
      let commits = 0
      watched.watch = async (command, run) => {
        if (command.kind === 'commit') commits += 1
        if (commits > 150) throw new StoreUnavailable('gone')
        return run()
      }
      t.match(await importText(home, textOf(many)), {
        status: 503,
        code: 'store_unavailable',
        headers: { 'retry-after': '1' },
      })
      watched.watch = null
      const before = home.events('account.created').length
      t.ok(before > 0 && before < 100, `${before}`)
      const { status, results } = await importText(home, textOf(many))
      t.equal(status, 200)
      t.equal(results.filter((result) => result.status === 'created').length, 100 - before)
      t.equal(results.filter((result) => result.status === 'exists').length, before)
      t.equal(home.events('account.created').length, 100)
    },
  )
}

t.test('an import is 256 KiB at most, and lines of JSON', async (t) => {
  const home = await openAdminHome(t)
  const line = JSON.stringify(people(1)[0])
  const padded = (bytes: number) => `${line}${'\n'.repeat(bytes - line.length)}`
  t.match(await importText(home, padded(256 * 1024)), { status: 200, results: [{ line: 1, status: 'created' }] })
  t.match(await importText(home, padded(256 * 1024 + 1)), { status: 413, code: 'too_large' })
  for (const type of ['application/json', 'text/plain', 'application/merge-patch+json'])
    t.match(await importText(home, line, type), { status: 415, code: 'unsupported_media_type' }, type)
  const lines = { 'content-type': 'application/x-ndjson' }
  const at = '/admin/v1/users/import'
  t.match(await home.admin('POST', at, { body: line, headers: { ...lines, 'content-encoding': 'gzip' } }), {
    status: 415,
  })
  const headers = { ...lines, authorization: `Bearer ${ADMIN_KEY}` }
  const notUtf8 = { method: 'POST', url: at, headers, payload: Buffer.from([0x22, 0xff, 0x22]) } as const
  t.equal((await home.adminApp.inject(notUtf8)).statusCode, 400)
  t.match(await home.admin('POST', at, { body: '', headers: lines }), { status: 200, body: '' })
  t.match(await home.admin('POST', at), { status: 200, body: '' })
  t.match(await home.admin('POST', '/admin/v1/users', { body: line, headers: lines }), { status: 415 })
  t.match(await home.admin('POST', at, { token: 'x', body: line, headers: lines }), { status: 401 })
})

t.test('passwords in an import are hashed, a few at a time: a login is let in between', async (t) => {
  const home = await openAdminHome(t, { ARGON2_MEMORY_KIB: '19456' })
  const me = await home.newcomer()
  const many = people(30).map(({ id, email }) => ({ id, email, password: PASSWORD }))
  let isOver = false
  const importing = importText(home, textOf(many)).finally(() => (isOver = true))
  t.equal((await login(home, me.email)).status, 200)
  t.equal(isOver, false)
  t.strictSame(new Set((await importing).results.map(({ status }) => status)), new Set(['created']))
  t.equal((await login(home, many[29]?.email ?? '')).status, 200)
})

t.test('junk by the line costs no memory and keeps nobody waiting', async (t) => {
  const home = await openAdminHome(t)
  const { results } = await importText(home, 'x\n'.repeat(5000))
  t.equal(results.length, 5000)
  const bombs = people(300).map(({ id, email }) => ({ id, email, password_hash: BOMB }))
  const { maxRSS } = process.resourceUsage()
  const refused = await importText(home, textOf(bombs))
  t.strictSame(new Set(refused.results.map(({ code }) => code)), new Set(['hash_unacceptable']))
  t.ok(process.resourceUsage().maxRSS - maxRSS < 100 * 1024, 'KiB')
})
