import { readFileSync } from 'node:fs'
import argon2 from 'argon2'
import t, { type Test } from 'tap'
import { readEmail } from '../../src/domain/email.ts'
import { keys } from '../../src/store/keys.ts'
import { put, StoreUnavailable } from '../../src/store/store.ts'
import { cannotTell } from '../support/alike.ts'
import { DEAR } from '../support/env.ts'
import { type Answer, type Home, type Newcomer, openHome } from '../support/home.ts'
import { processorTime } from '../support/processor-time.ts'
import { startRedis } from '../support/redis.ts'
import { makeWatched } from '../support/watched-store.ts'

const PASSWORD = 'seven red bicycles in the rain'
const OTHER_PASSWORD = 'nine blue tricycles in the snow'

const [home, dear] = [await openHome(), await openHome(DEAR)]
t.teardown(() => Promise.all([home.close(), dear.close()]))

let names = 0
const freshEmail = () => `account-${(names += 1)}@example.org`

const register = (email: string, password = PASSWORD, at = home) =>
  at.call('POST', '/v1/register', { body: { email, password } })
const login = (email: string, password = PASSWORD, at = home) =>
  at.call('POST', '/v1/login', { body: { email, password } })
const refresh = (refresh_token: string, at = home) => at.call('POST', '/v1/refresh', { body: { refresh_token } })
const verify = (token: string, at = home) => at.call('GET', '/v1/verify', { token })
const change = (token: string, current_password: string, new_password: string, at = home) =>
  at.call('POST', '/v1/password', { token, body: { current_password, new_password } })

function rulesOf({ status, body }: Answer): string[] {
  if (status !== 422 || body.code !== 'password_unacceptable') throw new Error(`${status} ${JSON.stringify(body)}`)
  return body.errors.map(({ rule }: { rule: string }) => rule)
}

async function storedUser(at: Home, { user }: Newcomer) {
  const entry = await at.deps.store.get(keys.user(user.id))
  if (entry === null) throw new Error('no such user in the store')
  return entry
}

/** Fails unless neither token of the session is worth anything, for this reason. */
async function isDead(t: Test, me: Newcomer, reason: string, at = home) {
  t.match(await verify(me.access_token, at), { status: 401, body: { code: 'token_revoked' } })
  t.match(await refresh(me.refresh_token, at), { status: 401, body: { code: 'session_over', reason } })
}

t.test('more logins than there is room for are told that it is busy, soon, and all others are answered', async (t) => {
  const home = await openHome({ ARGON2_MEMORY_KIB: '262144' }) // one at a time: the memory is a budget
  t.teardown(home.close)
  const body = { email: 'nobody@example.org', password: PASSWORD }
  const began = performance.now()
  const answers = await Promise.all(Array.from({ length: 130 }, () => home.call('POST', '/v1/login', { body })))
  t.ok(performance.now() - began < 15_000)
  const busy = answers.filter(({ status }) => status === 503)
  t.ok(busy.length >= 20)
  for (const { headers, body } of busy)
    t.match({ headers, body }, { headers: { 'retry-after': /^[1-9]/ }, body: { code: 'busy' } })
  t.ok(answers.every(({ status }) => [401, 503].includes(status)))
  t.ok(answers.some(({ status }) => status === 401))
})

t.test('a registration answers tokens and the user, and no field besides', async (t) => {
  const email = freshEmail()
  const { status, body } = await register(email)
  t.equal(status, 201)
  const fields = [
    'access_token',
    'expires_in',
    'refresh_expires_in',
    'refresh_token',
    'session_id',
    'token_type',
    'user',
  ]
  t.strictSame(Object.keys(body).toSorted(), fields)
  t.strictSame(Object.keys(body.user).toSorted(), ['created_at', 'email', 'id'])
  t.match(body, { token_type: 'Bearer', refresh_expires_in: 1800, user: { email } })
  t.equal(new Date(body.user.created_at).toISOString(), body.user.created_at)
  t.notMatch(body.user.id, /account|example/)

  const again = await login(email)
  t.equal(again.status, 200)
  t.strictSame(Object.keys(again.body).toSorted(), fields)
  t.strictSame(again.body.user, body.user)
  const me = await home.call('GET', '/v1/me', { token: again.body.access_token })
  t.match(me, { status: 200 })
  t.strictSame(me.body, body.user)
  const refreshed = await refresh(body.refresh_token)
  t.strictSame(Object.keys(refreshed.body).toSorted(), fields.slice(0, -1))
})

t.test('a registration whose answer was lost is found by logging in', async (t) => {
  const email = freshEmail()
  const lost = await register(email)
  t.match(await register(email), { status: 409, body: { code: 'email_taken' } })
  t.match(await register(email, OTHER_PASSWORD), { status: 409, body: { code: 'email_taken' } })
  const found = await login(email)
  t.equal(found.status, 200)
  t.equal(found.body.user.id, lost.body.user.id)
  t.not(found.body.session_id, lost.body.session_id)
  t.equal((await login(email, OTHER_PASSWORD)).status, 401)
})

t.test('a registration cut off at any of its commits is there or can be repeated at once', async (t) => {
  const watched = makeWatched()
  const home = await openHome({}, { store: watched.around })
  t.teardown(home.close)
  for (const cut of [1, 2, 3, 4])
    for (const isDone of [false, true]) {
      const email = freshEmail()
      let commits = 0
      watched.watch = async (command, run) => {
        if (command.kind !== 'commit') return run()
        commits += 1
        if (commits > cut || (commits === cut && !isDone)) throw new StoreUnavailable('it is gone')
        const result = await run()
        if (commits === cut) throw new StoreUnavailable('it is gone')
        return result
      }
      const { status } = await register(email, PASSWORD, home)
      watched.watch = null
      const isThere = (cut === 3 && isDone) || cut === 4
      t.equal(status, cut === 4 ? 201 : 503)
      t.equal((await login(email, PASSWORD, home)).status, isThere ? 200 : 401)
      t.equal((await register(email, PASSWORD, home)).status, isThere ? 409 : 201)
      t.equal((await login(email, PASSWORD, home)).status, 200, `commit ${cut} ${isDone ? 'done' : 'not done'}`)
    }
})

t.test(
  'of two registrations the later one takes the hold from one that is not there yet, which stays nobody',
  async (t) => {
    const watched = makeWatched()
    const home = await openHome({}, { store: watched.around })
    t.teardown(home.close)
    const email = freshEmail()
    let later: Answer | null = null
    watched.watch = async (command, run) => {
      const isLast = command.kind === 'commit' && command.commit.puts.some(({ key }) => key.endsWith('}:user'))
      if (isLast) {
        watched.watch = null
        later = await register(email, OTHER_PASSWORD, home)
      }
      return run()
    }
    t.match(await register(email, PASSWORD, home), { status: 409, body: { code: 'email_taken' } })
    t.match(later, { status: 201 })
    t.equal((await login(email, OTHER_PASSWORD, home)).status, 200)
    t.equal((await login(email, PASSWORD, home)).status, 401)
  },
)

t.test('of 50 registrations of one address at once one makes the account', async (t) => {
  const email = freshEmail()
  const spellings = [email, email.toUpperCase(), ` ${email} `]
  const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => register(spellings[i % 3] as string)))
  const made = answers.filter(({ status }) => status === 201)
  t.equal(made.length, 1)
  t.equal(answers.filter(({ status, body }) => status === 409 && body.code === 'email_taken').length, 49)
  const winner = made[0]?.body
  t.equal((await login(email)).body.user.id, winner.user.id)
  t.equal((await verify(winner.access_token)).status, 204)
})

t.test('of two registrations side by side one makes the account, every time', async (t) => {
  const emails = Array.from({ length: 12 }, freshEmail)
  const pairs = emails.map((email) => Promise.all([register(email), register(email)]))
  for (const [place, answers] of (await Promise.all(pairs)).entries()) {
    t.strictSame(new Set(answers.map(({ status }) => status)), new Set([201, 409]))
    const winner = answers.find(({ status }) => status === 201)
    t.equal((await login(emails[place] ?? '')).body.user.id, winner?.body.user.id)
  }
})

t.test('a fresh store holds no account, and nobody gets in by a name that people try', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const fresh = await openHome({ REDIS_URL: redis.url })
  t.teardown(fresh.close)
  const held = (await redis.cli('KEYS', '*')).split('\n').filter((key) => !key.startsWith('{latchkey}:'))
  t.strictSame(held, [])
  for (const name of ['admin@example.org', 'root@localhost', 'admin', 'test@test.com']) {
    t.match(await login(name, name, fresh), { status: 401, body: { code: 'bad_credentials' } })
  }
})

t.test('two spellings that normalise alike are one account', async (t) => {
  const pairs = [
    ['ada.1@example.org', '  Ada.1@EXAMPLE.Org\t'],
    ['j\u00fcrgen@example.org', 'ju\u0308rgen@example.org'],
    ['\u00c9lise@example.org', 'e\u0301lise@example.org'],
    ['ada@b\u00fccher.example', 'ada@xn--bcher-kva.example'],
    ['bob@xn--bcher-kva.example', 'BOB@BU\u0308CHER.example'],
    ['eve@\u4f8b\u5b50.example', 'eve@xn--fsqu00a.EXAMPLE'],
  ] as const
  for (const [first, second] of pairs) {
    const made = await register(first)
    t.equal(made.status, 201, first)
    t.equal((await register(second)).status, 409, second)
    t.equal((await login(second)).body.user?.id, made.body.user.id)
    t.equal(made.body.user.email, readEmail(first)?.address)
  }
  t.equal((await register('ada+1@example.org')).status, 201)
  t.equal((await register('ada+2@example.org')).status, 201, 'a plus sign makes another address')
})

t.test('an address of 254 characters is taken, and what is no address is refused by register', async (t) => {
  const long = `${'a'.repeat(64)}@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(57)}.org`
  t.equal(long.length, 254)
  t.equal((await register(long)).status, 201)
  const refused = [
    `b${long}`.slice(1).replace('.org', 'e.org'),
    '',
    '@',
    'ada',
    'ada@',
    '@example.org',
    'ada@localhost',
    'ada@example..org',
    'ada@.example.org',
    'ada@example.org.',
    'ada@-example.org',
    'ada@example-.org',
    'ada@ex_ample.org',
    'ada@127.0.0.1',
    'ada@[127.0.0.1]',
    'a b@example.org',
    'a@b@example.org',
    '.ada@example.org',
    'ada.@example.org',
    'a..da@example.org',
    '"ada"@example.org',
    'ada\u0000@example.org',
    'ada@example.org\r\nBcc: eve@example.org',
    'ada\u202e@example.org',
    'Ada <ada@example.org>',
    '\ud800@example.org',
    'a'.repeat(20_000),
  ]
  for (const email of refused) {
    const answer = await register(email)
    t.match(answer, { status: 400, body: { code: 'bad_request' } }, JSON.stringify(email).slice(0, 80))
    t.equal(answer.body.errors?.[0]?.path, 'email')
  }
})

t.test('a login with what is no address fails as with a wrong password', async (t) => {
  for (const email of ['', 'ada', 'ada@localhost', 'a b@example.org']) {
    t.match(await login(email), { status: 401, body: { code: 'bad_credentials' } })
  }
})

t.test('a password needs 15 code points, not 15 UTF-16 units or bytes', async (t) => {
  const bicycle = '\u{1f6b2}'
  for (const password of ['x7 mango tuna q', bicycle.repeat(15)]) {
    t.equal(Array.from(password).length, 15)
    t.strictSame(rulesOf(await register(freshEmail(), Array.from(password).slice(1).join(''))), ['too_short'])
    const email = freshEmail()
    t.equal((await register(email, password)).status, 201)
    t.equal((await login(email, password)).status, 200)
  }
})

t.test('a password of 256 code points is taken whole, one more is refused', async (t) => {
  const email = freshEmail()
  const longest = `${'Correct horse '.repeat(18)}tail`
  t.equal(longest.length, 256)
  t.equal((await register(email, longest)).status, 201)
  t.equal((await login(email, longest)).status, 200)
  t.equal((await login(email, longest.slice(0, -1))).status, 401, 'nothing is cut off')
  t.equal((await login(email, longest.toLowerCase())).status, 401, 'case counts')
  t.strictSame(rulesOf(await register(freshEmail(), `${longest}!`)), ['too_long'])
  t.equal((await register(freshEmail(), '\u{1f6b2}'.repeat(256))).status, 201, 'code points are counted here too')
})

t.test('an endless password is refused without the cost of a hash', async (t) => {
  const ofHashes = await processorTime(async () => {
    for (let i = 0; i < 20; i += 1) t.equal((await register(freshEmail(), PASSWORD, dear)).status, 201)
  })
  const ofRefusals = await processorTime(async () => {
    for (let i = 0; i < 20; i += 1)
      t.strictSame(rulesOf(await register(freshEmail(), 'long '.repeat(6000), dear)), ['too_long'])
  })
  t.ok(ofRefusals < ofHashes / 2, `${ofRefusals.toFixed()} ms, and ${ofHashes.toFixed()} ms for twenty that are hashed`)
  t.match(await register(freshEmail(), 'x'.repeat(100_000)), { status: 413, body: { code: 'too_large' } })
})

t.test('a password of any characters is accepted and works again, untrimmed', async (t) => {
  const odd = [
    '926402837465019',
    'qqqqqqqqqqqqqqqqqqq',
    '               ',
    ' leading and trailing ',
    '\u0000\u0001\u0002 control chars \u007f\n\t',
    '\u043f\u0430\u0440\u043e\u043b\u044c \u0438\u0437 \u0441\u0435\u043c\u0438 \u0441\u043b\u043e\u0432',
    '\u200f\u05e2\u05d1\u05e8\u05d9\u05ea \u202e and back again',
    '{"$ne": null} -- \' or 1=1; <script>',
    '\u{1f469}\u200d\u{1f469}\u200d\u{1f467} family of seven',
  ]
  for (const password of odd) {
    const email = freshEmail()
    t.equal((await register(email, password)).status, 201, JSON.stringify(password))
    t.equal((await login(email, password)).status, 200, JSON.stringify(password))
    if (password.trim() !== password) t.equal((await login(email, password.trim())).status, 401)
  }
})

t.test('a password typed with composed letters works with decomposed ones', async (t) => {
  const email = freshEmail()
  const composed = 'gr\u00fc\u00dfe \u00e0 la cr\u00e8me br\u00fbl\u00e9e'
  t.equal((await register(email, composed)).status, 201)
  t.equal((await login(email, composed.normalize('NFD'))).status, 200)
  t.equal((await login(email, composed.normalize('NFKD').replace(/\p{M}/gu, ''))).status, 401)
})

t.test('the 3,000 commonest passwords long enough are refused at register and at change', async (t) => {
  const file = new URL('../../../test/fixtures/common-passwords-15.txt', import.meta.url)
  const common = readFileSync(file, 'utf8').trimEnd().split('\n')
  t.equal(common.length, 3000)
  const email = freshEmail()
  const me = await home.newcomer()
  const accepted: string[] = []
  for (const password of common) {
    const { status, body } = await register(email, password)
    if (status !== 422 || body.errors[0].rule !== 'too_common') accepted.push(password)
  }
  t.strictSame(accepted, [])
  for (const password of common.filter((_, place) => place % 20 === 0)) {
    if (!rulesOf(await change(me.access_token, PASSWORD, password)).includes('too_common')) accepted.push(password)
  }
  t.strictSame(accepted, [])
  const first = common[2] as string
  t.strictSame(rulesOf(await register(email, first.toUpperCase())), ['too_common'])
  t.equal((await register(email, `${first} ${first}`)).status, 201, 'only the whole password is compared')
})

t.test('the address, its local part and the name of the service are no passwords', async (t) => {
  const email = 'a.rather.long.local.part@example.org'
  for (const password of [email, email.toUpperCase(), 'A.rather.long.local.part']) {
    t.strictSame(rulesOf(await register(email, password)), ['too_similar'], password)
  }
  const made = await register(email, `${email} and more`)
  t.equal(made.status, 201)
  t.strictSame(rulesOf(await change(made.body.access_token, `${email} and more`, email)), ['too_similar'])

  const lax = await openHome({ PASSWORD_MIN_LENGTH: '8' })
  t.teardown(lax.close)
  t.strictSame(rulesOf(await register('x@example.org', 'Latchkey', lax)), ['too_similar'])
  t.strictSame(rulesOf(await register('x@example.org', '1234567', lax)), ['too_short'])
  t.equal((await register('x@example.org', 'x8 mango', lax)).status, 201)
})

t.test('a refused password is answered with every rule it breaks and never with itself', async (t) => {
  const email = 'shorty@example.org'
  const answer = await register(email, 'shorty')
  t.strictSame(rulesOf(answer).toSorted(), ['too_short', 'too_similar'])
  for (const error of answer.body.errors) t.strictSame(Object.keys(error).toSorted(), ['message', 'rule'])
  t.notMatch(JSON.stringify(answer.body), /shorty/)
  t.equal((await login(email, 'shorty')).status, 401)
})

t.test('nobody can register with fields of their own', async (t) => {
  const email = freshEmail()
  const extras = [
    'id',
    'user_id',
    'role',
    'roles',
    'is_admin',
    'admin',
    'verified',
    'generation',
    'password_hash',
    'sub',
  ]
  for (const extra of extras) {
    const answer = await home.call('POST', '/v1/register', { body: { email, password: PASSWORD, [extra]: true } })
    t.match(answer, { status: 400, body: { code: 'bad_request', errors: [{ path: extra }] } })
  }
  t.equal((await login(email)).status, 401, 'no account was made')
  const me = await home.newcomer()
  const bodies: [string, string, object][] = [
    ['POST', '/v1/login', { email: me.email, password: PASSWORD, scope: 'admin' }],
    ['POST', '/v1/refresh', { refresh_token: me.refresh_token, remember: true }],
    ['POST', '/v1/password', { current_password: PASSWORD, new_password: OTHER_PASSWORD, user_id: 'x' }],
    ['POST', '/v1/logout', { refresh_token: me.refresh_token, everywhere: true }],
    ['DELETE', '/v1/me', { password: PASSWORD, force: true }],
  ]
  for (const [method, path, body] of bodies) {
    t.match(await home.call(method, path, { token: me.access_token, body }), {
      status: 400,
      body: { code: 'bad_request' },
    })
  }
  t.equal((await verify(me.access_token)).status, 204, 'and nothing has happened')
  t.equal((await login(me.email)).status, 200)
})

t.test('passwords are kept as argon2id with salts of their own and never shown', async (t) => {
  const [one, two] = [await dear.newcomer(), await dear.newcomer()]
  const hashes = [(await storedUser(dear, one)).value.passwordHash, (await storedUser(dear, two)).value.passwordHash]
  for (const hash of hashes) t.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22,}\$[\w+/]{43}$/)
  t.not(hashes[0], hashes[1])
})

t.test('an older hash still logs in and is made anew on the way, once', async (t) => {
  const home = dear
  const me = await home.newcomer()
  const entry = await storedUser(home, me)
  const passwordHash = await argon2.hash(PASSWORD, { memoryCost: 8192, timeCost: 1, parallelism: 1 })
  const puts = [put(keys.user(me.user.id), { ...entry.value, passwordHash }, null)]
  t.ok(await home.deps.store.commit({ checks: [entry], puts, deletes: [] }))

  t.equal((await login(me.email, OTHER_PASSWORD, home)).status, 401)
  t.equal((await storedUser(home, me)).value.passwordHash, passwordHash, 'a wrong password changes nothing')
  t.equal((await login(me.email, PASSWORD, home)).status, 200)
  const rehashed = (await storedUser(home, me)).value.passwordHash
  t.match(rehashed, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  t.ok(await argon2.verify(rehashed, PASSWORD))
  t.equal((await login(me.email, PASSWORD, home)).status, 200)
  t.equal((await storedUser(home, me)).value.passwordHash, rehashed, 'a hash of today stays')
  t.equal((await verify(me.access_token, home)).status, 204, 'nobody is logged out by it')
})

t.test('an unknown address and a wrong password are answered alike', async (t) => {
  const me = await home.newcomer()
  const wrong = await login(me.email, OTHER_PASSWORD)
  const unknown = await login(freshEmail(), OTHER_PASSWORD)
  const nonsense = await login('no address', OTHER_PASSWORD)
  t.match(wrong, {
    status: 401,
    headers: { 'www-authenticate': /^Bearer realm="latchkey"$/ },
    body: { code: 'bad_credentials' },
  })
  for (const answer of [unknown, nonsense]) {
    t.equal(answer.status, wrong.status)
    t.strictSame(answer.body, wrong.body)
    t.strictSame({ ...answer.headers, date: '' }, { ...wrong.headers, date: '' })
  }
})

t.test('the time of a login does not tell whether the account exists', async (t) => {
  const me = await dear.newcomer()
  const loginOf = (email: string) => async () => t.equal((await login(email, OTHER_PASSWORD, dear)).status, 401)
  await cannotTell(t, { one: loginOf('nobody@example.org'), other: loginOf(me.email), samples: 60 })
})

t.test('wrong passwords of a caller who is logged in are 403 and limited for that session', async (t) => {
  const strict = await openHome({ LIMIT_FAILURES: '5/15m' })
  t.teardown(strict.close)
  const remove = (token: string, password: string) => strict.call('DELETE', '/v1/me', { token, body: { password } })

  const me = await strict.newcomer()
  for (let i = 0; i < 3; i += 1) {
    t.match(await change(me.access_token, OTHER_PASSWORD, `${OTHER_PASSWORD} ${i}`, strict), {
      status: 403,
      body: { code: 'wrong_password' },
    })
  }
  t.match(await remove(me.access_token, OTHER_PASSWORD), { status: 403, body: { code: 'wrong_password' } })
  t.equal((await login(me.email, OTHER_PASSWORD, strict)).status, 401, 'which is counted elsewhere')
  t.equal((await remove(me.access_token, OTHER_PASSWORD)).status, 403, 'the fifth')
  for (let i = 0; i < 15; i += 1) {
    const answer = await change(me.access_token, OTHER_PASSWORD, `${OTHER_PASSWORD} ${i}`, strict)
    t.match(answer, { status: 429, headers: { 'retry-after': /^\d+$/ }, body: { code: 'too_many_requests' } })
  }
  t.equal((await change(me.access_token, PASSWORD, OTHER_PASSWORD, strict)).status, 429, 'the right one too')
  t.equal((await remove(me.access_token, PASSWORD)).status, 429)
  t.equal((await login(me.email, PASSWORD, strict)).status, 200)
  t.equal((await verify(me.access_token, strict)).status, 204, 'the session goes on')
  t.equal((await refresh(me.refresh_token, strict)).status, 200)

  const other = await strict.newcomer()
  for (let i = 0; i < 5; i += 1) t.equal((await login(other.email, OTHER_PASSWORD, strict)).status, 401)
  t.equal(
    (await change(other.access_token, PASSWORD, OTHER_PASSWORD, strict)).status,
    200,
    'and failed logins do not count here',
  )
})

t.test('a wrong current password changes nothing', async (t) => {
  const [me, before] = await newcomerWithUser(home)
  const answer = await change(me.access_token, 'not the password at all', OTHER_PASSWORD)
  t.match(answer, { status: 403, body: { code: 'wrong_password', status: 403 } })
  t.notOk(answer.headers['www-authenticate'], 'clients must not refresh and retry')
  t.equal((await storedUser(home, me)).version, before.version)
  t.equal((await verify(me.access_token)).status, 204)
})

t.test('a new password that breaks a rule changes nothing', async (t) => {
  const [me, before] = await newcomerWithUser(home)
  t.strictSame(rulesOf(await change(me.access_token, PASSWORD, 'short')), ['too_short'])
  t.strictSame(rulesOf(await change(me.access_token, PASSWORD, 'x'.repeat(257))), ['too_long'])
  t.strictSame(rulesOf(await change(me.access_token, PASSWORD, me.email)), ['too_similar'])
  t.equal((await storedUser(home, me)).version, before.version)
  t.equal((await verify(me.access_token)).status, 204)
})

async function newcomerWithUser(at: Home) {
  const me = await at.newcomer()
  return [me, await storedUser(at, me)] as const
}

t.test('a password change ends every other session and all older access tokens', async (t) => {
  const me = await home.newcomer()
  const phone = (await login(me.email)).body
  const tablet = (await login(me.email)).body
  const neighbour = await home.newcomer()
  const changed = await change(me.access_token, PASSWORD, OTHER_PASSWORD)
  t.equal(changed.status, 200)
  t.equal(changed.body.session_id, me.session_id, 'the session of the caller goes on')
  t.not(changed.body.refresh_token, me.refresh_token)
  t.notOk('user' in changed.body)

  await isDead(t, phone, 'password_changed')
  await isDead(t, tablet, 'password_changed')
  t.match(await verify(me.access_token), { status: 401, body: { code: 'token_revoked' } })
  t.equal((await verify(changed.body.access_token)).status, 204)
  const list = await home.call('GET', '/v1/sessions', { token: changed.body.access_token })
  t.strictSame(
    list.body.sessions.map(({ id }: { id: string }) => id),
    [me.session_id],
  )
  t.equal((await refresh(changed.body.refresh_token)).status, 200)

  t.match(await login(me.email, PASSWORD), { status: 401, body: { code: 'bad_credentials' } })
  t.equal((await login(me.email, OTHER_PASSWORD)).status, 200)
  t.equal((await verify(neighbour.access_token)).status, 204, 'nobody else notices')
})

t.test('a password change whose answer was lost is recovered by refreshing', async (t) => {
  const me = await home.newcomer()
  const lost = await change(me.access_token, PASSWORD, OTHER_PASSWORD)
  const found = await refresh(me.refresh_token)
  t.equal(found.status, 200)
  t.equal(found.body.refresh_token, lost.body.refresh_token)
  t.equal((await verify(found.body.access_token)).status, 204)
  t.equal((await refresh(found.body.refresh_token)).status, 200)
})

t.test('a refresh token from before a password change is reuse once its successor has been used', async (t) => {
  const me = await home.newcomer()
  const changed = await change(me.access_token, PASSWORD, OTHER_PASSWORD)
  const next = await refresh(changed.body.refresh_token)
  home.clock.advance(10_000)
  t.match(await refresh(me.refresh_token), { status: 401, body: { reason: 'token_reused' } })
  t.match(await verify(next.body.access_token), { status: 401, body: { code: 'token_revoked' } })
})

t.test('a login in the same second as a password change works, older tokens of that second do not', async (t) => {
  const me = await home.newcomer()
  let [token, password] = [me.access_token, PASSWORD]
  for (let i = 0; i < 12; i += 1) {
    const next = `${OTHER_PASSWORD} ${i}`
    const before = (await login(me.email, password)).body
    const changed = await change(token, password, next)
    t.equal(changed.status, 200)
    const after = await login(me.email, next)
    t.equal(after.status, 200)
    t.equal((await verify(after.body.access_token)).status, 204)
    t.equal((await verify(changed.body.access_token)).status, 204)
    await isDead(t, before, 'password_changed')
    t.equal((await verify(token)).status, 401)
    ;[token, password] = [changed.body.access_token, next]
  }
})

t.test('of several password changes at once one wins, and its password is the one that counts', async (t) => {
  const me = await home.newcomer()
  const wishes = Array.from({ length: 5 }, (_, i) => `${OTHER_PASSWORD} ${i}`)
  const answers = await Promise.all(wishes.map((wish) => change(me.access_token, PASSWORD, wish)))
  const won = wishes.filter((_, i) => answers[i]?.status === 200)
  t.equal(won.length, 1)
  for (const { status } of answers) t.match(String(status), /^(200|401|403)$/)
  t.equal((await login(me.email, won[0])).status, 200)
  t.equal((await login(me.email, PASSWORD)).status, 401)
})

/** Three clients that log in again and again until the answer is there; what they have been answered. Hashing opens the window of the race. */
async function loginsDuring<T>(answer: Promise<T>, email: string, password: string): Promise<[T, Answer[]]> {
  const state = { isOver: false }
  const answers: Answer[] = []
  const settled = answer.finally(() => (state.isOver = true))
  const client = async () => {
    while (!state.isOver) answers.push(await login(email, password, dear))
  }
  await Promise.all([client(), client(), client()])
  return [await settled, answers]
}

t.test('a login with the old password that races the change leaves nothing alive', async (t) => {
  const me = await dear.newcomer()
  let [token, password] = [me.access_token, PASSWORD]
  for (let i = 0; i < 4; i += 1) {
    const next = `${OTHER_PASSWORD} ${i}`
    const [changed, logins] = await loginsDuring(change(token, password, next, dear), me.email, password)
    t.equal(changed.status, 200)
    for (const { status, body } of logins) {
      if (status === 200) await isDead(t, body, 'password_changed', dear)
      else t.equal(status, 401)
    }
    ;[token, password] = [changed.body.access_token, next]
  }
})

t.test('an access token of a session that has timed out and been forgotten dies with the rest', async (t) => {
  const at = await openHome({ SESSION_MAX: '2', SESSION_IDLE: '1m', ACCESS_TTL: '59s' })
  t.teardown(at.close)
  const passwords = { current_password: PASSWORD, new_password: OTHER_PASSWORD }
  const ends = [
    ['POST', '/v1/password', passwords],
    ['POST', '/v1/logout', { scope: 'all' }],
    ['DELETE', '/v1/me', { password: PASSWORD }],
  ] as const
  for (const [method, path, body] of ends) {
    const old = await at.newcomer()
    at.clock.advance(61_000)
    await login(old.email, PASSWORD, at)
    const me = (await login(old.email, PASSWORD, at)).body
    t.equal((await verify(old.access_token, at)).status, 204, 'a timeout denies nothing')
    t.ok((await at.call(method, path, { token: me.access_token, body })).status < 300)
    t.match(await verify(old.access_token, at), { status: 401, body: { code: 'token_revoked' } }, path)
  }
})

t.test('a removed account is gone on every instance at once: login, refresh and access tokens', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const homes = await Promise.all([openHome({ REDIS_URL: redis.url }), openHome({ REDIS_URL: redis.url })])
  for (const each of homes) t.teardown(each.close)
  const [here] = homes
  const me = await here.newcomer()
  const phone = (await login(me.email, PASSWORD, here)).body
  const neighbour = await here.newcomer()
  for (const each of homes) t.equal((await verify(phone.access_token, each)).status, 204, 'known and hot everywhere')

  const wrong = await here.call('DELETE', '/v1/me', { token: me.access_token, body: { password: OTHER_PASSWORD } })
  t.match(wrong, { status: 403, body: { code: 'wrong_password' } })
  const gone = await here.call('DELETE', '/v1/me', { token: me.access_token, body: { password: PASSWORD } })
  t.equal(gone.status, 204)
  for (const each of homes) {
    await isDead(t, me, 'account_deleted', each)
    await isDead(t, phone, 'account_deleted', each)
    t.match(await login(me.email, PASSWORD, each), { status: 401, body: { code: 'bad_credentials' } })
    t.match(await each.call('GET', '/v1/me', { token: phone.access_token }), { status: 401 })
    t.equal((await verify(neighbour.access_token, each)).status, 204)
  }
  const again = await here.call('DELETE', '/v1/me', { token: me.access_token, body: { password: PASSWORD } })
  t.match(again, { status: 401, body: { code: 'token_revoked' } })
  const left = (await redis.cli('KEYS', `{${me.user.id}}:*`))
    .split('\n')
    .filter((key) => /:(user|preferences|session-data)/.test(key))
  t.strictSame(left, [], 'nothing personal is left in the store')
})

t.test('an address that comes back is another user, and gets nothing of the old one', async (t) => {
  const me = await home.newcomer()
  await home.call('PATCH', '/v1/me/preferences', { token: me.access_token, body: { theme: 'dark' } })
  t.equal((await home.call('DELETE', '/v1/me', { token: me.access_token, body: { password: PASSWORD } })).status, 204)
  const back = (await register(me.email)).body
  t.ok(back.user)
  t.not(back.user.id, me.user.id)
  t.strictSame((await home.call('GET', '/v1/me/preferences', { token: back.access_token })).body, {})
  await isDead(t, me, 'account_deleted')
  t.equal((await verify(back.access_token)).status, 204)
})

t.test('a login that races the removal of its account leaves nothing alive', async (t) => {
  for (let i = 0; i < 3; i += 1) {
    const me = await dear.newcomer()
    const removing = dear.call('DELETE', '/v1/me', { token: me.access_token, body: { password: PASSWORD } })
    const [removed, logins] = await loginsDuring(removing, me.email, PASSWORD)
    t.equal(removed.status, 204)
    for (const { status, body } of logins) {
      if (status === 200) await isDead(t, body, 'account_deleted', dear)
      else t.equal(status, 401)
    }
    t.equal((await login(me.email, PASSWORD, dear)).status, 401)
  }
})

t.test('session fixation: a cookie or token brought along to a login is not adopted', async (t) => {
  const eve = await home.newcomer({ transport: 'body' })
  const me = await home.newcomer()
  const brought = { cookie: `__Host-refresh_token=${eve.refresh_token}; session_id=${eve.session_id}` }
  const body = { email: me.email, password: PASSWORD, transport: 'cookie' }
  const headers = { ...brought, 'sec-fetch-site': 'same-origin' }
  const first = await home.call('POST', '/v1/login', { body, headers, token: eve.access_token })
  const second = await home.call('POST', '/v1/login', { body, headers, token: eve.access_token })
  const ids = [eve.session_id, me.session_id, first.body.session_id, second.body.session_id]
  t.equal(new Set(ids).size, 4)
  t.equal(first.body.user.id, me.user.id)
  t.notMatch(first.headers['set-cookie'], eve.refresh_token)
  t.not(String(first.headers['set-cookie']), String(second.headers['set-cookie']))
  t.equal((await refresh(eve.refresh_token)).body.session_id, eve.session_id)
})
