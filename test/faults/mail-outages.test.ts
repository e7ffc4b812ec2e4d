import t, { type Test } from 'tap'
import { readTrail } from '../../src/auth/accounts/trail.ts'
import type { Purpose } from '../../src/domain/one-time-secret.ts'
import { codeOf, tokenOf } from '../../src/domain/one-time-secret.ts'
import { keys, namesIn } from '../../src/store/keys.ts'
import { StoreUnavailable } from '../../src/store/store.ts'
import type { Answer, Newcomer } from '../support/home.ts'
import { type MailHome, openMailHome } from '../support/mail-home.ts'
import { hintsOf } from '../support/mails.ts'
import { startRedis } from '../support/redis.ts'
import { makeWatched, type Watched } from '../support/watched-store.ts'

// The store is away at each command of each use case, before the command took effect or after it. The answer is 503, nothing is
// lost, and the same request again does it once. The sender stands still: what is to be sent can be counted.

const NEW = 'nine blue umbrellas on the roof'

const redis = await startRedis()
t.teardown(redis.stop)

interface World {
  readonly home: MailHome
  readonly me: Newcomer
  /** The address that they want. */
  readonly wanted: string
  readonly ask: (path: string, body: object) => Promise<Answer>
  /** What the mail of this purpose holds. */
  readonly secretOf: (purpose: Purpose) => Promise<{ readonly token: string; readonly code: string }>
  /** How many mails of each kind wait, and how many secrets they have. */
  readonly waiting: () => Promise<Record<string, { mails: number; secrets: number }>>
}

interface UseCase {
  readonly prepare?: (world: World) => Promise<unknown>
  /** Makes the request, the same each time. */
  readonly request: (world: World) => Promise<() => Promise<Answer>>
  readonly status: number
  /** What must be so after the repeat. */
  readonly isDone: (t: Test, world: World, about: string) => Promise<void>
}

const forgot = ({ ask, me }: World) => ask('/v1/password/forgot', { email: me.email })
const change = ({ ask, wanted }: World) => ask('/v1/email/change', { new_email: wanted })
const verification = ({ ask }: World) => ask('/v1/email/verification', {})

/** One mail, or two if nobody knows whether the first was written; one secret. */
async function waits(t: Test, { waiting }: World, kind: string, about: string): Promise<void> {
  const { mails = 0, secrets = 0 } = (await waiting())[kind] ?? {}
  t.ok(mails === 1 || mails === 2, `${about}: ${mails} mails`)
  t.equal(secrets, 1, `${about}: one secret`)
}

async function isReset(t: Test, { home, me, waiting }: World, about: string): Promise<void> {
  const trail = await readTrail(home.deps, me.user.id, { before: Infinity, limit: 100 })
  t.equal(trail?.events.filter(({ event }) => event === 'password.reset').length, 1, `${about}: once`)
  t.equal((await waiting())['password-changed']?.mails, 1, `${about}: one notice`)
  const login = (password: string) => home.call('POST', '/v1/login', { body: { email: me.email, password } })
  t.equal((await login(me.password)).status, 401, about)
  t.equal((await login(NEW)).status, 200, about)
}

const USE_CASES: Record<string, UseCase> = {
  'asking for a reset': {
    request: async (world) => () => forgot(world),
    status: 202,
    isDone: (t, world, about) => waits(t, world, 'reset-password', about),
  },
  'a reset by token': {
    prepare: forgot,
    async request({ ask, secretOf }) {
      const { token } = await secretOf('reset')
      return () => ask('/v1/password/reset', { token, new_password: NEW })
    },
    status: 204,
    isDone: isReset,
  },
  'a reset by code': {
    prepare: forgot,
    async request({ ask, secretOf, me: { email } }) {
      const { code } = await secretOf('reset')
      return () => ask('/v1/password/reset', { email, code, new_password: NEW })
    },
    status: 204,
    isDone: isReset,
  },
  'asking for a verification': {
    request: async (world) => () => verification(world),
    status: 202,
    isDone: (t, world, about) => waits(t, world, 'verify-email', about),
  },
  'a verification by code': {
    prepare: verification,
    async request({ ask, secretOf }) {
      const { code } = await secretOf('verify')
      return () => ask('/v1/email/verify', { code })
    },
    status: 200,
    async isDone(t, world, about) {
      const user = await world.home.deps.store.get(keys.user(world.me.user.id))
      t.equal(user?.value.emailVerified, true, about)
      t.equal((await verification(world)).status, 204, about)
    },
  },
  'asking for a change of address': {
    request: async (world) => () => change(world),
    status: 202,
    isDone: (t, world, about) => waits(t, world, 'change-email', about),
  },
  'a change of address': {
    prepare: change,
    async request({ ask, secretOf }) {
      const { token } = await secretOf('change')
      return () => ask('/v1/email/change/confirm', { token })
    },
    status: 200,
    async isDone(t, { home, me, wanted, waiting }, about) {
      t.equal((await waiting())['email-changed']?.mails, 1, `${about}: one notice`)
      const { password } = me
      const login = (email: string) => home.call('POST', '/v1/login', { body: { email, password } })
      const register = (email: string) => home.call('POST', '/v1/register', { body: { email, password } })
      t.match(await login(wanted), { status: 200, body: { user: { id: me.user.id } } }, about)
      t.equal((await register(wanted)).status, 409, about)
      t.equal((await login(me.email)).status, 401, about)
      t.equal((await register(me.email)).status, 201, `${about}: the old address is free`)
    },
  },
}

let worlds = 0

async function makeWorld(home: MailHome): Promise<World> {
  const { deps, call } = home
  const me = await home.newcomer()
  const userId = me.user.id
  return {
    home,
    me,
    wanted: `outage-${process.pid}-${(worlds += 1)}@example.org`,
    ask: (path, body) => call('POST', path, { token: me.access_token, body }),
    async secretOf(purpose) {
      const secrets = await deps.store.get(keys.secrets(userId, purpose))
      const derived = { userId, purpose, nonce: secrets?.value.current?.nonce ?? '' }
      return { token: tokenOf(deps.authKeys, derived), code: codeOf(deps.authKeys, derived) }
    },
    async waiting() {
      const hints = (await hintsOf(deps)).filter((hint) => hint.userId === userId)
      const rows = await Promise.all(hints.map(({ mailId }) => deps.store.get(keys.mail(userId, mailId))))
      const mails = rows.flatMap((row) => (row === null ? [] : [row.value]))
      return Object.fromEntries(
        mails.map(({ kind }) => {
          const same = mails.filter((mail) => mail.kind === kind)
          return [kind, { mails: same.length, secrets: new Set(same.map(({ secret }) => secret?.nonce)).size }]
        }),
      )
    },
  }
}

/** The command of that number fails, before it takes effect or after it; resolves to whether there was one. */
async function failing(
  watched: Watched,
  number: number,
  when: 'before' | 'after',
  ask: () => Promise<Answer>,
): Promise<{ readonly answer: Answer; readonly hasFailed: boolean }> {
  let commands = 0
  watched.watch = async (_command, run) => {
    commands += 1
    if (commands !== number) return run()
    if (when === 'after') await run()
    throw new StoreUnavailable('it is away')
  }
  const answer = await ask()
  watched.watch = null
  return { answer, hasFailed: commands >= number }
}

for (const [store, env] of Object.entries({ LMDB: {}, Redis: { REDIS_URL: redis.url } })) {
  for (const [name, { prepare, request, status, isDone }] of Object.entries(USE_CASES)) {
    t.test(`the store is away at each step of ${name}, on ${store}`, async (t) => {
      const watched = makeWatched()
      const home = await openMailHome(t, env, { store: watched.around })
      await home.deps.sender?.stop()
      let refused = 0
      for (const when of ['before', 'after'] as const) {
        for (let [number, isThere] = [1, true]; isThere; number += 1) {
          const world = await makeWorld(home)
          await prepare?.(world)
          const ask = await request(world)
          const { answer, hasFailed } = await failing(watched, number, when, ask)
          const about = `command ${number}, ${when}`
          isThere = hasFailed
          if (answer.status === 503) {
            refused += 1
            const unavailable = { body: { code: 'store_unavailable' }, headers: { 'retry-after': /^\d+$/ } }
            t.match(answer, unavailable, about)
            t.notOk(answer.headers['set-cookie'], about)
          } else t.equal(answer.status, status, about)
          t.equal((await ask()).status, status, `${about}, again`)
          await isDone(t, world, about)
        }
      }
      t.ok(refused > 8, `${refused} refusals`)
    })
  }
}

t.test('the answer waits for no mail server: one that is away, or says nothing', async (t) => {
  const home = await openMailHome(t)
  const [me, other] = [await home.newcomer(), await home.newcomer()]
  home.smtp.say(me.email, 'hang')
  t.equal((await home.call('POST', '/v1/password/forgot', { body: { email: me.email } })).status, 202)
  await home.forgot(other.email)
  t.equal(home.lettersTo(me.email).length, 0, 'nor do others')
  await home.smtp.away()
  t.equal((await home.call('POST', '/v1/password/forgot', { body: { email: other.email } })).status, 202)
  await home.smtp.back()
})

t.test('a dump of the store opens nothing: no value, key or part of them is a token or a code', async (t) => {
  await redis.cli('FLUSHALL')
  const home = await openMailHome(t, { REDIS_URL: redis.url, LIMIT_CODES: '1000000/1h' })
  await home.deps.sender?.stop()
  const world = await makeWorld(home)
  const { me, ask } = world
  for (const asks of [forgot, change, verification]) t.equal((await asks(world)).status, 202)
  t.equal((await hintsOf(home.deps)).length, 4)

  const names = (await redis.cli('KEYS', '*')).split('\n')
  const values = await Promise.all(
    names.map(async (name) => `${name}\n${await redis.cli('GET', name).catch(() => redis.cli('HGETALL', name))}`),
  )
  const dump = values.join('\n')
  t.match(dump, me.email, 'it is the whole of it')
  t.ok(names.some((name) => namesIn(name)?.userId === me.user.id))
  const texts = [...new Set(dump.match(/[\w-]{6,}|[^\s"]{6,}/g))]
  const digits = [...new Set(dump.match(/\d+/g))].flatMap((each) => [each.slice(0, 8), each.slice(-8)])
  for (const secret of [
    await world.secretOf('reset'),
    await world.secretOf('verify'),
    await world.secretOf('change'),
  ]) {
    t.notMatch(dump, secret.token)
    t.notMatch(dump, secret.code)
  }
  const opened: string[] = []
  for (const text of [...texts, ...digits]) {
    const token = text.slice(0, 512)
    const code = text.slice(0, 64)
    const answers = await Promise.all([
      ask('/v1/password/reset', { token, new_password: NEW }),
      ask('/v1/password/reset', { email: me.email, code, new_password: NEW }),
      ...['/v1/email/verify', '/v1/email/change/confirm'].flatMap((path) => [
        ask(path, { token }),
        ask(path, { code }),
      ]),
      home.call('GET', '/v1/me', { token }).then((answer) => ({ ...answer, status: answer.status === 401 ? 400 : 0 })),
    ])
    if (answers.some(({ status }) => status !== 400)) opened.push(text)
  }
  t.ok(texts.length > 40, `${texts.length} texts`)
  t.strictSame(opened, [])
  t.equal((await ask('/v1/email/verify', { code: (await world.secretOf('verify')).code })).status, 200)
})
