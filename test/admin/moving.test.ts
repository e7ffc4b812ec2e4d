import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { openAdminHome } from '../support/admin.ts'

// Files as other systems export them, converted as docs/moving.md says. Those in the folder moving were made by Django 5.2 itself, and
// in the forms that Supabase, Auth0 and Keycloak 26 document, with this password.

const PASSWORD = 'seven red bicycles in the rain'
const SYSTEMS = {
  supabase: { file: 'supabase.ndjson', people: ['ada', 'grace'], others: ['google'], leftOut: 1 },
  auth0: { file: 'auth0.ndjson', people: ['ada', 'grace'], others: [], leftOut: 0 },
  keycloak: { file: 'keycloak.json', people: ['ada', 'grace', 'lin'], others: ['mary'], leftOut: 1 },
  django: { file: 'django.json', people: ['ada', 'grace', 'lin', 'mary'], others: ['sso'], leftOut: 1 },
}

for (const [system, { file, people, others, leftOut }] of Object.entries(SYSTEMS)) {
  t.test(`people move in from ${system}, and log in with the password of before`, async (t) => {
    const home = await openAdminHome(t)
    const from = `test/admin/moving/${file}`
    const { stdout, stderr } = await promisify(execFile)('node', ['examples/moving/convert.mjs', system, from])
    const all = [...people, ...others]
    t.match(stderr, `${all.length} accounts, ${leftOut} left out; ${others.length} without a password`)
    const { status, body } = await home.admin('POST', '/admin/v1/users/import', {
      body: stdout,
      headers: { 'content-type': 'application/x-ndjson' },
    })
    t.equal(status, 200)
    t.strictSame(
      (body as string).match(/"status":"\w+"/g),
      Array.from(all, () => '"status":"created"'),
    )
    const login = (name: string, password = PASSWORD) =>
      home.call('POST', '/v1/login', { body: { email: `${name}@${system}.example`, password } })
    for (const name of people) {
      t.equal((await login(name)).status, 200, name)
      const again = await login(name)
      t.equal(again.status, 200, `${name}, whose hash is ours by now`)
      const { refresh_token } = again.body
      t.equal(
        (await home.call('POST', '/v1/refresh', { body: { refresh_token } })).status,
        200,
        'and who stays logged in',
      )
    }
    for (const name of others) t.equal((await login(name)).status, 401, name)
    t.equal((await login('ada', `${PASSWORD}!`)).status, 401)
  })
}

t.test('an address counts as verified only where supabase says when it was', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-moving-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const file = join(dir, 'users.ndjson')
  const row = { id: 'a', email: 'a@example.org', encrypted_password: null }
  const rows = [row, { ...row, email_confirmed_at: null }, { ...row, email_confirmed_at: '2024-03-01T10:00:00+00:00' }]
  await writeFile(file, rows.map((each) => `${JSON.stringify(each)}\n`).join(''))
  const { stdout } = await promisify(execFile)('node', ['examples/moving/convert.mjs', 'supabase', file])
  const moved = stdout.split('\n').slice(0, -1)
  t.strictSame(
    moved.map((line) => JSON.parse(line).email_verified),
    [false, false, true],
  )
})
