import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { NO_LIMITS, TEST_SECRET } from '../support/env.ts'
import { type Home, type Newcomer, openHome } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'
import { startService } from '../support/service.ts'

// An instance is killed before or after one of its commits, or anywhere near it, while a dozen people log in, log out, are logged
// out and change their passwords at it. Whatever of that has happened is in the trail, and nothing else is, answered or not.

const ROUNDS = Number(process.env['ROUNDS'] ?? 2)
const PEOPLE = 12
const PASSWORD = 'seven red bicycles in the rain'
const NEW = 'nine blue umbrellas on the roof'
const MORTAL = [process.execPath, fileURLToPath(new URL('../support/mortal-instance.js', import.meta.url))]

type Env = Record<string, string>
interface Person {
  readonly me: Newcomer
  readonly other: Newcomer
}

const login = async (home: Home, email: string, password = PASSWORD) =>
  home.call<Newcomer>('POST', '/v1/login', { body: { email, password } })

async function inHome<T>(env: Env, work: (home: Home) => Promise<T>): Promise<T> {
  const home = await openHome(env)
  try {
    return await work(home)
  } finally {
    await home.close()
  }
}

async function makePerson(home: Home): Promise<Person> {
  const me = await home.newcomer()
  return { me, other: (await login(home, me.email)).body }
}

/** What each person asks of the instance that dies. */
const DEEDS: readonly ((person: Person) => readonly [path: string, body: object])[] = [
  () => ['/v1/logout', {}],
  () => ['/v1/logout', { scope: 'others' }],
  () => ['/v1/logout', { scope: 'all' }],
  () => ['/v1/password', { current_password: PASSWORD, new_password: NEW }],
  ({ me }) => ['/v1/login', { email: me.email, password: PASSWORD }],
]

/** Why the session is over by its refresh token; null: it is alive. */
async function whyOver(home: Home, { refresh_token }: Newcomer): Promise<string | null> {
  const { status, body } = await home.call('POST', '/v1/refresh', { body: { refresh_token } })
  return status === 200 ? null : body.reason
}

/** Holds the trail of a person against what has happened; resolves to how many deeds it tells of. */
async function compare(t: Test, home: Home, { me, other }: Person): Promise<number> {
  const [mine, others] = [await whyOver(home, me), await whyOver(home, other)]
  const isChanged = (await login(home, me.email, NEW)).status === 200
  const reader = (await login(home, me.email, isChanged ? NEW : PASSWORD)).body
  const sessions = (await home.call('GET', '/v1/sessions', { token: reader.access_token })).body.sessions
  const { body } = await home.call('GET', '/v1/me/events?limit=100', { token: reader.access_token })
  const told: string[] = body.events.map(
    ({ event, session_id, reason }: Record<string, string>) => `${event} ${session_id} ${reason ?? ''}`,
  )
  const happened: string[] = [
    `account.registered ${me.session_id} `,
    ...(mine === null ? [] : [`session.ended ${me.session_id} ${mine}`]),
    ...(others === null ? [] : [`session.ended ${other.session_id} ${others}`]),
    ...(isChanged ? [`password.changed ${me.session_id} `] : []),
    `login.succeeded ${other.session_id} `,
    ...sessions
      .filter(({ id }: { id: string }) => id !== me.session_id && id !== other.session_id)
      .map(({ id }: { id: string }) => `login.succeeded ${id} `),
  ]
  t.strictSame(told.toSorted(), happened.toSorted())
  return happened.length - (isChanged ? 4 : 3) // but for what everybody has, and the logins of this function
}

async function round(t: Test, env: Env, dies: 'before' | 'after'): Promise<void> {
  const people = await inHome(env, (home) => Promise.all(Array.from({ length: PEOPLE }, () => makePerson(home))))
  const on = 1 + Math.floor(Math.random() * PEOPLE * 0.8)
  const mortal = await startService(
    { ...env, DIES: dies, DIES_AT: '}:session:', DIES_ON: `${on}` },
    { command: MORTAL },
  )
  const answers = await Promise.all(
    people.map((person, place) => {
      const [path, body] = (DEEDS[place % DEEDS.length] as (typeof DEEDS)[number])(person)
      return mortal.call('POST', path, { body, token: person.me.access_token }).catch(() => null)
    }),
  )
  await mortal.exited
  t.ok(answers.includes(null), 'somebody had no answer')
  const told = await inHome(env, async (home) => {
    let count = 0
    for (const person of people) count += await compare(t, home, person)
    return count
  })
  t.comment(
    `${dies} commit ${on}: ${answers.filter(Boolean).length} of ${PEOPLE} were answered, ${told} rows tell of it`,
  )
}

const STORES: Record<string, (t: Test) => Promise<Env>> = {
  async LMDB(t) {
    const dir = await mkdtemp(join(tmpdir(), 'latchkey-trail-crash-'))
    t.teardown(() => rm(dir, { recursive: true, force: true }))
    return { DATA_DIR: dir }
  },
  async Redis(t) {
    const redis = await startRedis()
    t.teardown(redis.stop)
    return { REDIS_URL: redis.url }
  },
}

for (const [name, open] of Object.entries(STORES))
  t.test(`kill -9 at any commit: the trail tells what has happened, and nothing else, on ${name}`, async (t) => {
    const env = { AUTH_SECRET: TEST_SECRET, ISSUER: 'http://localhost:3000', ...NO_LIMITS, ...(await open(t)) }
    for (let turn = 0; turn < ROUNDS; turn += 1) await round(t, env, turn % 2 === 0 ? 'before' : 'after')
  })
