import { appendFile, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { StoreUnavailable } from '../../src/store/store.ts'
import { openAdminHome } from '../support/admin.ts'
import { openHomeShell, openShell } from '../support/admin-shell.ts'
import { NO_MAIL_LIMITS, mailTo } from '../support/env.ts'
import { withApp, withPasskey } from '../support/factors.ts'
import { login } from '../support/mail-home.ts'
import { aUser, writeUsers } from '../support/many-users.ts'
import { startSmtp } from '../support/smtp.ts'
import { makeWatched } from '../support/watched-store.ts'

// The operator's orders from a shell.

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-shell-'))
  t.teardown(() => rm(dir, { recursive: true }))
  return dir
}

t.test('a user is named by id or address, and each change shows what there is now', async (t) => {
  const home = await openAdminHome(t)
  const shell = await openHomeShell(home)
  const me = await home.newcomer()
  const { id } = me.user
  const none = { totp: false, passkeys: 0, recovery_codes_left: 0 }
  t.match(await shell(['show', id]), {
    code: 0,
    lines: [{ id, email: me.email, sessions: 1, factors: none }],
    errors: '',
  })
  t.match(await shell(['show', me.email.toUpperCase()]), { lines: [{ id }] })
  t.match(await shell(['roles', me.email, 'editor', 'billing:read']), {
    lines: [{ roles: ['editor', 'billing:read'] }],
  })
  t.match(await shell(['app', id, '{"plan":"pro"}']), { lines: [{ app: { plan: 'pro' } }] })
  t.match(await shell(['roles', id, '--none']), { lines: [{ roles: [] }] })
  t.match(await shell(['sessions', id]), { lines: [{ id: me.session_id }] })
  t.match(await shell(['sessions', id, '--end']), { code: 0, lines: [] })
  t.match(await shell(['events', me.email]), {
    lines: [{ event: 'session.ended', reason: 'revoked', by: 'ops' }, { event: 'roles.changed' }],
  })
  t.match(await shell(['disable', id, '--reason', 'fraud']), {
    lines: [{ disabled: { reason: 'fraud' }, sessions: 0 }],
  })
  t.match(await login(home, me.email, me.password), { status: 403 })
  t.notOk('disabled' in ((await shell(['enable', id])).lines[0] ?? {}))
  t.match(await shell(['delete', me.email]), { code: 0, lines: [] })
  t.match(await shell(['show', id]), { code: 1, errors: /There is nothing here\. \(404 not_found\)/ })
  t.match(await shell(['show', me.email]), { code: 1, errors: /^Nobody has the address/ })
  t.ok(home.events('operator.called').every(({ by, actor }) => by === 'ops' && typeof actor === 'string'))
})

t.test('a reset makes the password unusable and mails; without mail there is none', async (t) => {
  const smtp = await startSmtp()
  t.teardown(smtp.stop)
  const home = await openAdminHome(t, { ...mailTo(smtp.url), ...NO_MAIL_LIMITS })
  const me = await home.newcomer()
  t.match(await (await openHomeShell(home))(['reset', me.email]), { code: 0, lines: [{ sessions: 0 }] })
  t.equal((await login(home, me.email, me.password)).status, 401)
  const silent = await openAdminHome(t)
  const other = await silent.newcomer()
  const shell = await openHomeShell(silent)
  t.match(await shell(['reset', other.email]), { code: 1, errors: /sends no mail/ })
  t.match(await shell(['reset', 'nobody']), { code: 1, errors: /404 not_found/ })
})

t.test(
  'somebody who has lost every factor gets in by the password again, once the operator has removed them',
  async (t) => {
    const home = await openAdminHome(t)
    const shell = await openHomeShell(home)
    const me = await withPasskey(home, { me: await withApp(home) })
    const all = { totp: true, passkeys: 1, recovery_codes_left: 10 }
    t.match(await shell(['show', me.email]), { lines: [{ sessions: 1, factors: all }] })
    t.equal((await login(home, me.email, me.password)).body.code, 'second_factor_required')
    const none = { totp: false, passkeys: 0, recovery_codes_left: 0 }
    for (const turn of ['once', 'again'])
      t.match(await shell(['factors', me.email, '--remove']), { code: 0, lines: [none] }, turn)
    t.match(await shell(['show', me.email]), { lines: [{ sessions: 0, factors: none }] })
    t.match(await home.call('GET', '/v1/me', { token: me.access_token }), { status: 401 })
    t.equal((await login(home, me.email, me.password)).status, 200)
    t.match(await shell(['factors', 'nobody', '--remove']), { code: 1, errors: /404 not_found/ })
  },
)

t.test('a slip says what there is, asks nothing, and exits with 2', async (t) => {
  const shell = openShell('http://127.0.0.1:1')
  const slips: [words: string[], said: RegExp][] = [
    [[], /Usage: .* ORDER[^]*disable USER \[--reason TEXT\]/],
    [['disabel', 'x'], /There is no order disabel[^]*disable USER/],
    [['toString'], /There is no order toString/],
    [['show'], /^Usage: show USER$/],
    [['show', 'a', 'b'], /^Usage: show USER$/],
    [['list', '--evrything'], /--evrything[^]*Usage: list/],
    [['disable', 'x', '--reason'], /Usage: disable/],
    [['roles', 'x', '-none'], /-n[^]*Usage: roles/],
    [['roles', 'x'], /Name the roles, or say --none/],
    [['roles', 'x', 'editor', '--none'], /Name the roles, or say --none/],
    [['app', 'x', '{'], /not JSON/],
  ]
  for (const [words, said] of slips) t.match(await shell(words), { code: 2, lines: [], errors: said }, words.join(' '))
})

t.test('a refusal is told in words, with what is at fault, and exits with 1', async (t) => {
  const home = await openAdminHome(t)
  const shell = await openHomeShell(home)
  const me = await home.newcomer()
  t.match(await shell(['roles', me.email, 'a b']), { code: 1, errors: /\(400 bad_request\) .*must be 1 to 64/ })
  const big = JSON.stringify({ a: 'x'.repeat(2000) })
  t.match(await shell(['app', me.email, big]), { code: 1, errors: /\(413 too_large\)/ })
  const { port } = home.adminApp.server.address() as { port: number }
  const stranger = openShell(`http://127.0.0.1:${port}`, { ADMIN_KEY: 'q3Wf8xKz1TnVb6Lr0JmYc5HsGd9PuEo2IaXvN7Mt4kQ' })
  t.match(await stranger(['list']), { code: 1, errors: /^The key is not one of ADMIN_KEYS\. \(401 token_invalid\)/ })
  t.match(await shell(['create', 'x@example.org', '--password'], 'short'), { errors: / characters\.$/ })
  t.match(await openShell('http://127.0.0.1:1', { ADMIN_KEY: '' })(['list']), { code: 1, errors: /^Set ADMIN_KEY/ })
  t.match(await openShell('')(['list']), { code: 1, errors: /^Set ADMIN_URL/ })
})

t.test('an id that begins with hyphens is no option, wherever it stands', async (t) => {
  const home = await openAdminHome(t)
  const shell = await openHomeShell(home)
  for (const id of ['-AAAAAAAAAAAAAAAAAAAAA', '--BBBBBBBBBBBBBBBBBBBB']) {
    await writeUsers(home.deps.store, [aUser(id)])
    t.match(await shell(['roles', id, 'editor']), { code: 0, lines: [{ id, roles: ['editor'] }] })
    t.match(await shell(['sessions', '--end', id]), { code: 0 })
    t.match(await shell(['show', '--', id]), { code: 0, lines: [{ id }] })
    t.match(await shell(['delete', id]), { code: 0 })
    t.match(await shell(['show', id]), { code: 1, errors: /404 not_found/ })
    t.match(await shell(['create', `a${id}@example.org`, '--id', id]), { code: 0, lines: [{ id }] })
  }
})

t.test('an order waits for a store that is away for a moment', async (t) => {
  const watched = makeWatched()
  const home = await openAdminHome(t, {}, { store: watched.around })
  const shell = await openHomeShell(home)
  const me = await home.newcomer()
  let failures = 1
  watched.watch = (_command, run) => {
    if ((failures -= 1) >= 0) throw new StoreUnavailable('it is away')
    return run()
  }
  t.match(await shell(['roles', me.user.id, 'editor']), { code: 0, lines: [{ roles: ['editor'] }] })
})

t.test('a list and an export have every user, a line each', async (t) => {
  const home = await openAdminHome(t)
  const shell = await openHomeShell(home)
  const ids = Array.from({ length: 1500 }, (_, place) => `user-${place}`)
  await writeUsers(
    home.deps.store,
    ids.map((id) => aUser(id)),
  )
  for (const order of ['list', 'export']) {
    const { code, lines } = await shell([order])
    t.equal(code, 0)
    t.strictSame(new Set(lines.map(({ id }) => id)), new Set(ids))
    t.equal(lines.length, ids.length)
  }
})

t.test('an export to a file has its name when it is whole, and goes on where it stopped', async (t) => {
  const watched = makeWatched()
  const home = await openAdminHome(t, {}, { store: watched.around })
  const shell = await openHomeShell(home)
  const ids = Array.from({ length: 15_000 }, (_, place) => `user-${place}`)
  await writeUsers(
    home.deps.store,
    ids.map((id) => aUser(id)),
  )
  const dir = await folder(t)
  const file = join(dir, 'users.ndjson')
  watched.watch = async (_command, run) => {
    if ((await readdir(dir)).includes('users.ndjson.progress')) throw new Error('it is broken')
    return run()
  }
  t.match(await shell(['export', file]), { code: 1, errors: /500 internal/ })
  t.strictSame((await readdir(dir)).toSorted(), ['users.ndjson.part', 'users.ndjson.progress'])
  await appendFile(`${file}.part`, 'of an answer that was cut off')
  let reads = 0
  watched.watch = (command, run) => {
    if (command.kind === 'getMany') reads += command.keys.length
    return run()
  }
  t.match(await shell(['export', file]), { code: 0 })
  t.ok(reads < 6000, `${reads} users were read again`)
  t.strictSame(await readdir(dir), ['users.ndjson'])
  const found = (await readFile(file, 'utf8')).split('\n').slice(0, -1)
  t.strictSame(new Set(found.map((line) => JSON.parse(line).id)), new Set(ids))
  t.equal(found.length, ids.length)
})

t.test('an export whose file has been removed meanwhile begins anew', async (t) => {
  const home = await openAdminHome(t)
  const shell = await openHomeShell(home)
  const me = await home.newcomer()
  const file = join(await folder(t), 'users.ndjson')
  await writeFile(`${file}.progress`, JSON.stringify({ bytes: 1000, users: 3, cursor: 'x' }))
  t.match(await shell(['export', file]), { code: 0 })
  t.match(JSON.parse(await readFile(file, 'utf8')), { id: me.user.id })
})
