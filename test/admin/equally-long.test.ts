import t from 'tap'
import { Busy } from '../../src/auth/errors.ts'
import type { Work } from '../../src/domain/password-hash.ts'
import { openAdminHome } from '../support/admin.ts'
import { cannotTell } from '../support/alike.ts'
import { often } from '../support/amount.ts'

// Hashes from elsewhere take another time than ours, and a failed login tells nothing of it: not who has an account, nor from where.

const PASSWORD = 'seven red bicycles in the rain'
const HASHES = {
  'bcrypt 6': '$2b$06$CCCCCCCCCCCCCCCCCCCCC.Avzj/stdlMTBmJud2Tdjoeg3QFzactK',
  'bcrypt 4': '$2b$04$CCCCCCCCCCCCCCCCCCCCC.SZ/FYRanx7rJB0AkochD9JgUAuNHd.y',
  django: 'pbkdf2_sha256$1000$kX2vQ0a1cJtYw3kZ4AbcdE$R6m4/IivgNP8UYRvvIh8T7Pq0X7r6TYF9ThTIGJBHXw=',
  'old django': 'pbkdf2_sha256$600$kX2vQ0a1cJtYw3kZ4AbcdE$R6m4/IivgNP8UYRvvIh8T7Pq0X7r6TYF9ThTIGJBHXw=',
}

const home = await openAdminHome(t)
const emailOf = (name: string) => `${name.replaceAll(' ', '-')}@example.org`
const create = (name: string, secret: object) =>
  home.admin('POST', '/admin/v1/users', { body: { email: emailOf(name), ...secret } })
const fail = (name: string) =>
  home.call('POST', '/v1/login', { body: { email: emailOf(name), password: 'no such bicycles in this rain' } })

/** What is computed at a failed login: how often the step of each function is done. */
async function computedFor(name: string): Promise<Record<string, number>> {
  const { hashing } = home.deps
  const done: Work[] = []
  const watched: typeof hashing = {
    ...hashing,
    verify: (hash, password) => (done.push(hashing.workOf(hash)), hashing.verify(hash, password)),
    spend: (works) => (done.push(...works), hashing.spend(works)),
  }
  Object.assign(home.deps, { hashing: watched })
  const { status, body } = await fail(name)
  Object.assign(home.deps, { hashing })
  t.match({ status, body }, { status: 401, body: { code: 'bad_credentials' } })
  const steps: Record<string, number> = {}
  for (const { times, ...each } of done) steps[JSON.stringify(each)] = (steps[JSON.stringify(each)] ?? 0) + times
  return steps
}

const OURS = { '{"kind":"argon2id","memoryKib":1024,"lanes":1}': 1 }

t.test('while no hash has been imported, a failed login costs a hash of ours, whoever it is for', async (t) => {
  await create('ours', { password: PASSWORD })
  await create('without password', {})
  for (const name of ['nobody', 'ours', 'without password']) t.strictSame(await computedFor(name), OURS, name)
})

t.test('from then on it costs the dearest of each function, whoever it is for', async (t) => {
  for (const [name, password_hash] of Object.entries(HASHES))
    t.equal((await create(name, { password_hash })).status, 201)
  const all = { ...OURS, '{"kind":"bcrypt"}': 64, '{"kind":"pbkdf2","digest":"sha256"}': 1000 }
  for (const name of ['nobody', 'ours', 'without password', ...Object.keys(HASHES)])
    t.strictSame(await computedFor(name), all, name)
  t.equal((await home.call('POST', '/v1/login', { body: { email: 'no address', password: PASSWORD } })).status, 401)
})

t.test('so the time does not tell them apart', async (t) => {
  for (const name of ['ours', 'bcrypt 6', 'bcrypt 4'])
    await cannotTell(
      t,
      { one: () => fail('nobody'), other: () => fail(name), samples: often(200) },
      `nobody and ${name}`,
    )
})

t.test('the account that was made anew costs the same, too', async (t) => {
  const body = { email: emailOf('bcrypt 6'), password: PASSWORD }
  t.equal((await home.call('POST', '/v1/login', { body })).status, 200)
  t.strictSame(await computedFor('bcrypt 6'), await computedFor('nobody'))
})

t.test('a wrong guess counts, too, if there is no room for the rest of its work', async (t) => {
  const strict = await openAdminHome(t, { LIMIT_FAILURES: '3/15m' })
  const { email } = await strict.newcomer()
  const { hashing } = strict.deps
  Object.assign(strict.deps, { hashing: { ...hashing, spend: () => Promise.reject(new Busy()) } })
  const guess = async () =>
    (await strict.call('POST', '/v1/login', { body: { email, password: 'no such bicycles in this rain' } })).status
  t.strictSame([await guess(), await guess(), await guess()], [503, 503, 503])
  Object.assign(strict.deps, { hashing })
  t.equal(await guess(), 429)
})

t.test('what would make failed logins too dear, two seconds and more, is not taken', async (t) => {
  const argon2id = (m: number) => `$argon2id$v=19$m=${m},t=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
  const statuses: number[] = []
  for (const m of [131_072, 131_064, 131_056])
    statuses.push((await create(`dear ${m}`, { password_hash: argon2id(m) })).status)
  t.strictSame(statuses, [201, 422, 422])
  t.equal((await create('cheap', { password_hash: argon2id(64) })).status, 201)
})

t.test('a ninth function is not taken, however cheap it is', async (t) => {
  const home = await openAdminHome(t)
  const statusOf = async (name: string, m: number) => {
    const password_hash = `$argon2id$v=19$m=${m},t=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
    return (await home.admin('POST', '/admin/v1/users', { body: { email: emailOf(name), password_hash } })).status
  }
  const statuses: number[] = []
  for (let m = 8; m <= 17; m += 1) statuses.push(await statusOf(`with ${m} KiB`, m))
  t.strictSame(statuses, [...Array.from({ length: 8 }, () => 201), 422, 422])
  t.equal(await statusOf('of a function that is known', 15), 201)
})
