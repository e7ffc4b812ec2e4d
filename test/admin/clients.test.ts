import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { findSecret } from '../../src/domain/client.ts'
import { keys } from '../../src/store/keys.ts'
import { StoreUnavailable } from '../../src/store/store.ts'
import { readContract } from '../openapi/contract.ts'
import { type AdminHome, openAdminHome } from '../support/admin.ts'
import { openHomeShell } from '../support/admin-shell.ts'
import { startRedis } from '../support/redis.ts'
import { makeWatched, type Watch } from '../support/watched-store.ts'

// Clients of the operator: programs with a secret. What their tokens can do is in test/oauth/.

const PATH = '/admin/v1/clients'
const WISH = { name: 'nightly report', scopes: ['orders:read', 'orders:write'], audiences: ['https://api.example.org'] }

const redis = await startRedis()
t.teardown(redis.stop)
const watched = makeWatched()
const home = await openAdminHome(t, {}, { store: watched.around })
const shell = await openHomeShell(home)
const onRedis = await openAdminHome(t, { REDIS_URL: redis.url })

/** Lets `watch` stand between the service and its store until the test is over. */
function watchStore(t: Test, watch: Watch): void {
  watched.watch = watch
  t.teardown(() => (watched.watch = null))
}

const add = async (at: AdminHome, wish: object = WISH) => (await at.admin('POST', PATH, { body: wish })).body
const listOf = async (at: AdminHome) => (await at.admin('GET', PATH)).body.clients
const told = async (at: AdminHome, id: string) =>
  (await listOf(at)).find(({ client_id }: { client_id: string }) => client_id === id)
/** Whether the service would take the secret. */
async function isTaken({ deps }: AdminHome, id: string, secret: string): Promise<boolean> {
  const client = await deps.store.get(keys.client(id))
  return client !== null && findSecret(client.value, secret) !== null
}

/** Plays a story on both stores. */
function onBoth(name: string, story: (t: Test, at: AdminHome) => Promise<void>): void {
  t.test(`${name}, on LMDB`, (t) => story(t, home))
  t.test(`${name}, on Redis`, (t) => story(t, onRedis))
}

onBoth('a client is added, listed without its secret, and removed', async (t, at) => {
  const answer = await at.admin('POST', PATH, { body: WISH, headers: { 'x-actor': 'ada' } })
  const { client_id, client_secret, ...rest } = answer.body
  t.equal(answer.status, 201)
  t.match(client_id, /^client\.[\w-]{22}$/)
  t.match(client_secret, /^[\w-]{43}$/, '32 bytes')
  t.match(rest, { ...WISH, secrets: [{ id: String, created_at: String }] })
  t.strictSame(await told(at, client_id), { client_id, ...rest })
  t.match(at.events('client.added').at(-1), { client_id, by: 'ops', actor: 'ada' })
  const removal = `${PATH}/${client_id}`
  t.equal((await at.admin('DELETE', removal)).status, 204)
  t.match(await at.admin('DELETE', removal), { status: 404, body: { code: 'not_found' } })
  t.equal(await told(at, client_id), undefined)
  t.match(at.events('client.removed').slice(-1), [{ client_id, by: 'ops' }])
})

onBoth('a secret is in no log, and the store has its digest alone', async (t, at) => {
  const { client_id, client_secret } = await add(at)
  const entry = await at.deps.store.get(keys.client(client_id))
  const digest = createHash('sha256').update(client_secret).digest('base64url')
  t.match(entry?.value, { secrets: [{ digest }] })
  for (const text of [JSON.stringify(entry), JSON.stringify(at.lines)]) t.notMatch(text, client_secret)
})

onBoth('two secrets are taken at a time, and the oldest goes', async (t, at) => {
  const { client_id: id, client_secret: first } = await add(at)
  const next = async (body?: object) =>
    (await at.admin('POST', `${PATH}/${id}/secret`, body === undefined ? {} : { body })).body
  const takes = async (...secrets: string[]) => Promise.all(secrets.map((secret) => isTaken(at, id, secret)))
  const second = (await next()).client_secret
  t.strictSame(await takes(first, second), [true, true])
  const third = await next()
  t.strictSame(await takes(first, second, third.client_secret), [false, true, true])
  t.match(at.events('client.secret_added').at(-1), { client_id: id, secret_id: third.secrets[1].id, by: 'ops' })
  const [{ id: beside }] = third.secrets
  const fourth = await next({ beside })
  t.strictSame(await takes(second, third.client_secret, fourth.client_secret), [true, false, true], 'as it was named')
  t.match(await at.admin('POST', `${PATH}/${id}/secret`, { body: { beside: third.secrets[1].id } }), {
    status: 400,
    body: { errors: [{ path: 'beside' }] },
  })
})

onBoth('fifty secrets asked for at once leave the one that was named, and one of them', async (t, at) => {
  const { client_id: id, client_secret: first, secrets } = await add(at)
  const body = { beside: secrets[0].id }
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => at.admin('POST', `${PATH}/${id}/secret`, { body })),
  )
  t.ok(answers.every(({ status }) => status === 200))
  const taken = await Promise.all(answers.map(({ body }) => isTaken(at, id, body.client_secret)))
  t.equal(taken.filter(Boolean).length, 1)
  t.ok(await isTaken(at, id, first))
})

onBoth('of what happens at once nothing is lost: twenty are added, and all but one removed', async (t, at) => {
  const added = await Promise.all(Array.from({ length: 20 }, (_, place) => add(at, { ...WISH, name: `job ${place}` })))
  const ids = new Set((await listOf(at)).map(({ client_id }: { client_id: string }) => client_id))
  t.ok(added.every(({ client_id }) => ids.has(client_id)))
  const [kept, ...gone] = added.map(({ client_id }) => client_id)
  const statuses = await Promise.all(gone.map(async (id) => (await at.admin('DELETE', `${PATH}/${id}`)).status))
  t.strictSame(new Set(statuses), new Set([204]))
  t.ok(await told(at, kept))
})

onBoth('a disabled client says since when and why; again it is told anew; then it is enabled', async (t, at) => {
  const { client_id: id } = await add(at)
  const path = `${PATH}/${id}/disabled`
  t.equal((await at.admin('PUT', path, { body: { reason: 'leaked' } })).status, 204)
  t.match(await told(at, id), { disabled: { at: String, reason: 'leaked' } })
  t.equal((await at.admin('PUT', path)).status, 204)
  t.notOk('reason' in (await told(at, id)).disabled)
  for (const _ of [1, 2]) t.equal((await at.admin('DELETE', path)).status, 204)
  t.notOk('disabled' in (await told(at, id)))
  t.equal(at.events('client.enabled').filter(({ client_id }) => client_id === id).length, 1)
})

t.test('without scopes and audiences a client is for this service, and may do nothing in particular', async (t) => {
  t.match(await add(home, { name: 'gateway' }), { scopes: [], audiences: ['http://localhost:3000'] })
  const twice = { name: 'twice', scopes: ['a', 'b', 'a'], audiences: ['x', 'x'] }
  t.match(await add(home, twice), { scopes: ['a', 'b'], audiences: ['x'] })
})

t.test('an audience of the service that no client could be given by name is its own all the same', async (t) => {
  const at = await openAdminHome(t, { AUDIENCE: 'the "orders" of ours' })
  const added = await at.admin('POST', PATH, { body: { name: 'gateway' } })
  t.match(added, { status: 201, body: { audiences: ['the "orders" of ours'] } })
  t.match(await listOf(at), [{ audiences: ['the "orders" of ours'] }])
})

const MALFORMED: readonly object[] = [
  {},
  { name: '' },
  { name: 'a\nb' },
  { name: 'x'.repeat(101) },
  { name: 'x', scopes: 'a' },
  { name: 'x', scopes: ['a b'] },
  { name: 'x', scopes: [''] },
  { name: 'x', scopes: ['a"b'] },
  { name: 'x', scopes: ['é'] },
  { name: 'x', scopes: Array.from({ length: 51 }, (_, place) => `s${place}`) },
  { name: 'x', audiences: [] },
  { name: 'x', audiences: ['HTTP://Example.org'] },
  { name: 'x', audiences: [`https://x.example/${'a'.repeat(200)}`] },
  { name: 'x', client_secret: 'of my own' },
  { name: 'x', id: 'client.mine' },
]
t.test('a malformed client is refused', async (t) => {
  const before = (await listOf(home)).length
  for (const body of MALFORMED)
    t.match(await home.admin('POST', PATH, { body }), { status: 400 }, JSON.stringify(body).slice(0, 60))
  t.equal((await listOf(home)).length, before)
})

t.test('what is no id of a client is 404, and so is the id of a user', async (t) => {
  const { user } = await home.newcomer()
  for (const id of ['x', 'client.', '%00', `client.${'A'.repeat(22)}`, `client.${'A'.repeat(400)}`, user.id])
    for (const [method, end] of [
      ['POST', '/secret'],
      ['PUT', '/disabled'],
      ['DELETE', '/disabled'],
      ['DELETE', ''],
    ] as const)
      t.match(await home.admin(method, `${PATH}/${id}${end}`), { status: 404, body: { code: 'not_found' } }, id)
})

t.test('while the store is away, at whatever step, it is 503; the repeat does it', async (t) => {
  const { client_id: id, secrets } = await add(home)
  const asks: [method: string, path: string, body?: object][] = [
    ['POST', PATH, WISH],
    ['GET', PATH],
    ['POST', `${PATH}/${id}/secret`, { beside: secrets[0].id }],
    ['PUT', `${PATH}/${id}/disabled`],
    ['DELETE', `${PATH}/${id}/disabled`],
    ['DELETE', `${PATH}/${id}`],
  ]
  for (const [method, path, body] of asks) {
    const ask = () => home.admin(method, path, body === undefined ? {} : { body })
    for (const isAnswerLost of [false, true]) {
      let failures = 1
      watchStore(t, async (command, run) => {
        const fails = command.kind === (method === 'GET' ? 'get' : 'commit') && (failures -= 1) >= 0
        if (fails && isAnswerLost) await run()
        if (fails) throw new StoreUnavailable('away')
        return run()
      })
      t.match(await ask(), { status: 503, headers: { 'retry-after': String } }, `${method} ${path}`)
      if (!isAnswerLost || method !== 'DELETE' || path.endsWith('disabled')) {
        const { status } = await ask()
        t.ok(status < 300, `${method} ${path} ${status}`)
      }
      if (method === 'DELETE' && path === `${PATH}/${id}`) break
    }
    watched.watch = null
  }
  t.equal(await told(home, id), undefined)
})

t.test('a removal whose answer was lost is vouched for before the repeat says 404', async (t) => {
  const { client_id: id } = await add(home)
  watchStore(t, async (command, run) => {
    const result = await run()
    if (command.kind === 'commit') throw new StoreUnavailable('no replica has it yet')
    return result
  })
  t.equal((await home.admin('DELETE', `${PATH}/${id}`)).status, 503)
  t.equal((await home.admin('DELETE', `${PATH}/${id}`)).status, 503, 'it is still not safe')
  watched.watch = null
  t.equal((await home.admin('DELETE', `${PATH}/${id}`)).status, 404)
})

t.test('the operator is answered what openapi/admin.json says, and nothing more', async (t) => {
  const contract = readContract(JSON.parse(readFileSync('openapi/admin.json', 'utf8')))
  const { client_id: id } = await add(home)
  const asks: [method: string, path: string, body?: object][] = [
    ['POST', PATH, WISH],
    ['POST', PATH, {}],
    ['POST', `${PATH}/${id}/secret`],
    ['POST', `${PATH}/${id}/secret`, { beside: 'x' }],
    ['PUT', `${PATH}/${id}/disabled`, { reason: 'x' }],
    ['GET', PATH],
    ['DELETE', `${PATH}/${id}/disabled`],
    ['DELETE', `${PATH}/${id}`],
    ['DELETE', `${PATH}/${id}`],
  ]
  for (const [method, path, body] of asks) {
    const answer = await home.admin(method, path, body === undefined ? {} : { body })
    const operation = contract.find(method, path)
    if (operation === undefined) throw new Error(`${method} ${path} is not documented`)
    t.strictSame(contract.complaints(operation, answer), [], `${method} ${path}: ${answer.status}`)
  }
})

t.test('from a shell: a client is added, gets another secret, is disabled, enabled and removed', async (t) => {
  const words = ['client', 'add', 'nightly report', '--scope', 'a,b', '--audience', 'x', '--audience', 'y']
  const { code, lines } = await shell(words)
  t.match({ code, lines }, { code: 0, lines: [{ name: 'nightly report', scopes: ['a', 'b'], audiences: ['x', 'y'] }] })
  const { client_id: id, client_secret: first, secrets } = lines[0] as any
  let commits = 0
  watchStore(t, async (command, run) => {
    const result = await run()
    if (command.kind === 'commit' && (commits += 1) === 1) throw new StoreUnavailable('the answer is lost')
    return result
  })
  const second = await shell(['client', 'secret', id])
  t.match(second, { code: 0, lines: [{ client_id: id }] })
  t.strictSame(
    await Promise.all([first, second.lines[0]?.['client_secret']].map((secret) => isTaken(home, id, secret))),
    [true, true],
    'the order was given again, and the secret in use stayed',
  )
  t.match(await shell(['client', 'secret', id, '--beside', secrets[0].id]), { lines: [{ secrets: [secrets[0], {}] }] })
  t.match(await shell(['client', 'disable', id, '--reason', 'leaked']), { code: 0, lines: [] })
  const found = (await shell(['client', 'list'])).lines.find(({ client_id }) => client_id === id)
  t.match(found, { disabled: { reason: 'leaked' } })
  t.notOk('client_secret' in (found ?? {}))
  t.match(await shell(['client', 'enable', id]), { code: 0 })
  t.match(await shell(['client', 'remove', id]), { code: 0 })
  t.match(await shell(['client', 'remove', id]), { code: 1, errors: /404 not_found/ })
  t.match(await shell(['client', 'secret', id]), { code: 1, errors: /404 not_found/ })
  for (const slip of [['client'], ['client', 'ad', 'x'], ['client', 'add'], ['client', 'list', 'x']])
    t.match(await shell(slip), { code: 2, errors: /client add NAME|client list/ }, slip.join(' '))
})

t.test('from a shell: an addition whose answer is lost is not asked for twice', async (t) => {
  const before = (await listOf(home)).length
  watchStore(t, async (command, run) => {
    const result = await run()
    if (command.kind === 'commit') throw new StoreUnavailable('the answer is lost')
    return result
  })
  t.match(await shell(['client', 'add', 'once']), { code: 1, errors: /It may have been added: see client list\./ })
  watched.watch = null
  t.equal((await listOf(home)).length, before + 1)
})
