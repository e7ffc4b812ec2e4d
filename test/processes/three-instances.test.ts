import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openSession } from '../../src/auth/sessions/open.ts'
import { issueTokens } from '../../src/auth/tokens/issue.ts'
import { keys } from '../../src/store/keys.ts'
import { NO_LIMITS, TEST_SECRET } from '../support/env.ts'
import { firstStep, secondStep, withApp, withPasskey } from '../support/factors.ts'
import { type Home, type Newcomer, openHome } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'
import { type Answer, type CallRequest, type Service, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'

// Three processes on one store, asked in turn as a round robin would ask them.

const ISSUER = 'http://localhost:3000'
const PASSWORD = 'seven red bicycles in the rain'
const CALLER = { ip: '127.0.0.1', network: '127.0.0.1', userAgent: 'test', requestId: 'test' }

type Tokens = Pick<Newcomer, 'access_token' | 'refresh_token' | 'session_id'>
type Env = Record<string, string>

/** Three instances, the environment they share, and a fourth instance in this process, which opens sessions without hashing. */
type Fleet = { readonly all: readonly Service[]; readonly at: (turn: number) => Service; readonly home: Home }

/** Something to share: what makes its environment, and what an embedded home needs besides. */
type Place = { readonly env: Env; readonly secret: () => Promise<string> }

const places: Record<string, (t: Test) => Promise<Place>> = {
  async Redis(t) {
    const redis = await startRedis()
    t.teardown(redis.stop)
    return { env: { REDIS_URL: redis.url, AUTH_SECRET: TEST_SECRET }, secret: async () => TEST_SECRET }
  },
  async 'LMDB folder'(t) {
    const dir = await mkdtemp(join(tmpdir(), 'latchkey-three-'))
    t.teardown(() => rm(dir, { recursive: true, force: true }))
    return { env: { DATA_DIR: dir }, secret: () => readFile(join(dir, 'auth-secret'), 'utf8') }
  },
}

async function startThree(t: Test, env: Env): Promise<readonly Service[]> {
  const started = [1, 2, 3].map(() => startService({ ISSUER, ...NO_LIMITS, ...env }))
  t.teardown(async () => {
    const services = await Promise.allSettled(started)
    await Promise.all(
      services.map(async (service) => (service.status === 'fulfilled' ? service.value.kill() : undefined)),
    )
  })
  return Promise.all(started)
}

async function startFleet(t: Test, place: Place, env: Env = {}): Promise<Fleet> {
  const all = await startThree(t, { ...place.env, ...env })
  const home = await openHome({ ...place.env, ISSUER, AUTH_SECRET: await place.secret(), ...env })
  t.teardown(home.close)
  return { all, home, at: (turn) => all[turn % all.length] as Service }
}

let addresses = 0
const newAddress = () => `three-${process.pid}-${(addresses += 1)}@example.org`

async function register(at: Service, email = newAddress()): Promise<Newcomer> {
  const answer = await at.call('POST', '/v1/register', { body: { email, password: PASSWORD } })
  if (answer.status !== 201) throw new Error(`register: ${answer.status}`)
  return { email, password: PASSWORD, ...answer.body }
}

/** Opens sessions of one user, as so many logins would. */
async function openSessions({ deps, clock }: Home, userId: string, count: number): Promise<Tokens[]> {
  clock.now = Date.now()
  const opened: Tokens[] = []
  const open = async () => {
    const user = await deps.store.get(keys.user(userId))
    return (
      user &&
      openSession(
        deps,
        user,
        { amr: ['pwd'], event: 'login.succeeded' },
        { transport: 'body', remember: false },
        CALLER,
      )
    )
  }
  while (opened.length < count) {
    const bearer = await eventually(open, { within: 5000 })
    const { accessToken, refreshToken, sessionId } = issueTokens(deps, bearer)
    opened.push({ access_token: accessToken, refresh_token: refreshToken, session_id: sessionId })
  }
  return opened
}

/** Asks again when the service could not know: on a busy machine a command to Redis times out. */
async function known(at: Service, method: string, path: string, request: CallRequest): Promise<Answer<any>> {
  return eventually(
    async () => {
      const answer = await at.call(method, path, request)
      return answer.body?.code !== 'store_unavailable' && answer
    },
    { within: 5000 },
  )
}

const verify = (at: Service, { access_token }: Pick<Tokens, 'access_token'>) =>
  known(at, 'GET', '/v1/verify', { token: access_token })
const refresh = (at: Service, { refresh_token }: Pick<Tokens, 'refresh_token'>) =>
  known(at, 'POST', '/v1/refresh', { body: { refresh_token } })
const statuses = (answers: readonly Answer<unknown>[]) => answers.map(({ status }) => status)
const many = <T>(count: number, make: (turn: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, turn) => make(turn)))

/** Asks again while the answer is 503 `busy`: the gate of the hashes is full, as it says. */
async function patiently<T>(ask: () => Promise<Answer<T>>): Promise<Answer<T>> {
  for (let tries = 0; tries < 20; tries += 1) {
    const answer = await ask()
    if (answer.status !== 503) return answer
  }
  throw new Error('503 twenty times')
}

function claimsOf({ access_token }: Pick<Tokens, 'access_token'>): Record<string, unknown> {
  return JSON.parse(Buffer.from(access_token.split('.')[1] ?? '', 'base64url').toString())
}

for (const [name, open] of Object.entries(places)) {
  t.test(`three processes that start at once on an empty ${name} agree on keys and secret`, async (t) => {
    for (let round = 0; round < 2; round += 1) {
      await t.test(`round ${round + 1}`, async (t) => {
        const { env } = await open(t)
        const all = await startThree(t, env)
        const sets = await Promise.all(all.map((at) => at.call('GET', '/.well-known/jwks.json')))
        t.equal(sets[0]?.body.keys.length, 2, 'one key signs, the next is published')
        t.strictSame(sets[1]?.body, sets[0]?.body)
        t.strictSame(sets[2]?.body, sets[0]?.body)
        for (const at of all) {
          const me = await register(at)
          t.strictSame(statuses(await Promise.all(all.map((other) => verify(other, me)))), [204, 204, 204])
          t.strictSame(statuses(await Promise.all(all.map((other) => refresh(other, me)))), [200, 200, 200])
        }
        if (env['DATA_DIR'] === undefined) return
        const files = await readdir(env['DATA_DIR'])
        t.strictSame(
          files.filter((file) => file.startsWith('auth-secret')),
          ['auth-secret'],
          'no other secret lies about',
        )
      })
    }
  })

  t.test(`three instances on one ${name}`, async (t) => {
    const fleet = await startFleet(t, await open(t), { SESSION_MAX: '60' })
    const { all, at, home } = fleet

    await t.test(
      '50 clients who refresh with one token at once, over all instances, get one and the same successor',
      async (t) => {
        let current: Tokens = await register(at(0))
        for (let round = 1; round <= 20; round += 1) {
          const spent = current
          const answers = await many(50, (turn) => refresh(at(turn), spent))
          t.strictSame(new Set(statuses(answers)), new Set([200]), `round ${round}`)
          t.equal(new Set(answers.map(({ body }) => body.refresh_token)).size, 1)
          t.strictSame(
            new Set(answers.map(({ body }) => claimsOf(body)['rtc'])),
            new Set([round]),
            'one step of the counter',
          )
          current = answers[round]?.body as Tokens
          t.not(current.refresh_token, spent.refresh_token)
          const verified = await many(9, (turn) => verify(at(turn + 1), answers[turn]?.body as Tokens))
          t.strictSame(new Set(statuses(verified)), new Set([204]))
        }
      },
    )

    await t.test(
      'a logout on one instance is seen by the next request on the others, 1000 times in a row',
      async (t) => {
        const expected = ['204', '204', '204', '401 token_revoked', '401 token_revoked', '401 session_over']
        const wrong: string[] = []
        let turns = 0
        const logOut50 = async (user: number) => {
          const { user: owner, ...own } = await register(at(user))
          for (const session of await openSessions(home, owner.id, 50)) {
            const turn = (turns += 1)
            const [here, there, elsewhere] = [at(turn), at(turn + 1), at(turn + 2)]
            const warm = await Promise.all([verify(there, session), verify(elsewhere, session)])
            const out = await endIn(turn, here, session, own)
            const after = await Promise.all([
              verify(there, session),
              verify(elsewhere, session),
              refresh(there, session),
            ])
            const seen = [...warm, out, ...after].map(({ status, body }) => [status, body['code']].join(' ').trim())
            if (seen.join() !== expected.join()) wrong.push(`${turn}: ${seen.join()}`)
          }
          t.equal((await verify(at(user), own)).status, 204, 'the session that was not ended lives')
        }
        await many(4, async (lane) => {
          for (let user = 0; user < 5; user += 1) await logOut50(lane + user)
        })
        t.equal(turns, 1000)
        t.strictSame(wrong.slice(0, 5), [], `${wrong.length} of 1000 went wrong`)
      },
    )

    await t.test(
      '100 parallel logins over all instances keep the session limit, and end exactly those that had to give way',
      async (t) => {
        const { email } = await register(at(0))
        const login = (turn: number) =>
          at(turn).call<Tokens>('POST', '/v1/login', { body: { email, password: PASSWORD } })
        const answers = await many(100, (turn) => patiently(() => login(turn)))
        t.strictSame(new Set(statuses(answers)), new Set([200]))
        const verified = statuses(await many(100, (turn) => verify(at(turn + 1), answers[turn]?.body as Tokens)))
        const alive = answers.filter((_, index) => verified[index] === 204).map(({ body }) => body)
        t.equal(alive.length, 60)
        t.equal(verified.filter((status) => status === 401).length, 40)
        const listed = await at(1).call('GET', '/v1/sessions', { token: alive[0]?.access_token ?? '' })
        const ids = listed.body.sessions.map(({ id }: { id: string }) => id)
        t.strictSame(
          new Set(ids),
          new Set(alive.map(({ session_id }) => session_id)),
          'the list names the survivors and nobody else',
        )
        const refreshed = await many(100, (turn) => refresh(at(turn + 2), answers[turn]?.body as Tokens))
        t.strictSame(
          statuses(refreshed),
          verified.map((status) => (status === 204 ? 200 : 401)),
        )
        const reasons = refreshed.filter(({ status }) => status === 401).map(({ body }) => body.reason)
        t.strictSame(new Set(reasons), new Set(['evicted']))
      },
    )

    await t.test(
      'of thirty assertions of one challenge at once, over all instances, one opens a session',
      async (t) => {
        home.clock.now = Date.now()
        const me = await withPasskey(home, { counts: false })
        const { challenge, public_key } = (await at(0).call('POST', '/v1/login/passkey/options')).body
        const send = (turn: number, response: object) =>
          known(at(turn), 'POST', '/v1/login/passkey', { body: { challenge, response } })
        const assertions = Array.from({ length: 30 }, () => me.passkey.assert(public_key))
        const answers = await many(30, (turn) => send(turn, assertions[turn]!))
        const winner = answers.findIndex(({ status }) => status === 200)
        t.equal(answers.filter(({ status, body }) => status === 401 && body.code === 'bad_credentials').length, 29)
        const opened = answers[winner]?.body
        const again = await many(3, (turn) => send(turn, assertions[winner]!))
        for (const { body } of again) t.equal(body.refresh_token, opened.refresh_token, 'a lost answer is given again')
        t.equal((await verify(at(winner + 1), opened)).status, 204)
      },
    )

    await t.test('50 parallel registrations of one address make one account', async (t) => {
      const address = newAddress()
      const spellings = [address, address.toUpperCase(), ` ${address}`, address.replace('example', 'EXAMPLE')]
      const send = (turn: number) => {
        const body = { email: spellings[turn % spellings.length], password: `${PASSWORD} ${turn}` }
        return patiently(() => at(turn).call<Newcomer>('POST', '/v1/register', { body }))
      }
      const answers = await many(50, send)
      const winners = statuses(answers).flatMap((status, turn) => (status === 201 ? [turn] : []))
      t.equal(winners.length, 1)
      t.equal(answers.filter(({ status }) => status === 409).length, 49)
      const winner = winners[0] as number
      const login = (turn: number) =>
        at(turn).call<Newcomer>('POST', '/v1/login', { body: { email: address, password: `${PASSWORD} ${turn}` } })
      t.equal((await login(winner)).body.user.id, answers[winner]?.body.user.id)
      t.equal((await login(winner + 1)).status, 401, "a loser's password is nobody's")
    })

    await t.test(
      'a logout that races refreshes on other instances ends the session, whoever comes first',
      async (t) => {
        const { user } = await register(at(0))
        const survivors: string[] = []
        for (const [turn, session] of (await openSessions(home, user.id, 40)).entries()) {
          const [out, ...answers] = await Promise.all([
            known(at(turn), 'POST', '/v1/logout', { body: { refresh_token: session.refresh_token } }),
            ...[1, 2, 0, 1, 2].map((other) => refresh(at(turn + other), session)),
          ])
          t.equal(out.status, 204)
          const tokens: Tokens[] = [session, ...answers.filter(({ status }) => status === 200).map(({ body }) => body)]
          for (const each of tokens) {
            const seen = statuses([await verify(at(turn + 1), each), await refresh(at(turn + 2), each)])
            if (seen.join() !== '401,401') survivors.push(`${turn}: ${seen.join()}`)
          }
        }
        t.strictSame(survivors, [])
      },
    )

    await t.test(
      'a password change that races refreshes of other sessions ends them, whoever comes first',
      async (t) => {
        const survivors: string[] = []
        for (let turn = 0; turn < 10; turn += 1) {
          const me = await register(at(turn))
          const others = await openSessions(home, me.user.id, 6)
          const body = { current_password: PASSWORD, new_password: `${PASSWORD} again` }
          const changing = at(turn).call('POST', '/v1/password', { token: me.access_token, body })
          const isDone = changing.then(() => true)
          const current = [...others]
          const keepRefreshing = async (index: number) => {
            while (!(await Promise.race([isDone, Promise.resolve(false)]))) {
              const answer = await refresh(at(turn + index), current[index] as Tokens)
              if (answer.status !== 200) return
              current[index] = answer.body
            }
          }
          await Promise.all(others.map((_, index) => keepRefreshing(index)))
          t.equal((await changing).status, 200)
          for (const session of [...others, ...current]) {
            const seen = statuses([await verify(at(turn + 1), session), await refresh(at(turn + 2), session)])
            if (seen.join() !== '401,401') survivors.push(`${turn}: ${seen.join()}`)
          }
        }
        t.strictSame(survivors, [])
      },
    )

    await t.test('a password change on one instance ends the tokens of before on the others at once', async (t) => {
      for (let round = 0; round < 6; round += 1) {
        const me = await register(at(round))
        const others = await openSessions(home, me.user.id, 5)
        await Promise.all(all.flatMap((instance) => [me, ...others].map((session) => verify(instance, session))))
        const next = `${PASSWORD} again`
        const body = { current_password: PASSWORD, new_password: next }
        const changed = await at(round).call<Tokens>('POST', '/v1/password', { token: me.access_token, body })
        t.equal(changed.status, 200)
        const [there, elsewhere] = [at(round + 1), at(round + 2)]
        const dead = await Promise.all(
          [there, elsewhere].flatMap((instance) => [me, ...others].map((session) => verify(instance, session))),
        )
        t.strictSame(new Set(dead.map(({ status, body }) => `${status} ${body.code}`)), new Set(['401 token_revoked']))
        const over = await Promise.all(others.map((session) => refresh(there, session)))
        t.strictSame(new Set(over.map(({ body }) => body.reason)), new Set(['password_changed']))
        t.equal(
          (await refresh(elsewhere, me)).body.refresh_token,
          changed.body.refresh_token,
          'a lost answer is given again',
        )
        t.strictSame(
          statuses(await Promise.all(all.map((instance) => verify(instance, changed.body)))),
          [204, 204, 204],
        )
        const login = (password: string) => there.call('POST', '/v1/login', { body: { email: me.email, password } })
        const [old, fresh] = await Promise.all([login(PASSWORD), login(next)])
        t.strictSame(statuses([old, fresh]), [401, 200])
        t.equal((await verify(elsewhere, fresh.body)).status, 204, 'a login in the same second lives')
      }
    })

    await t.test(
      'what is written on one instance is read on the others, and no concurrent write is lost',
      async (t) => {
        const me = await register(at(0))
        const token = me.access_token
        for (const path of ['/v1/session/data', '/v1/me/preferences']) {
          for (let turn = 0; turn < 30; turn += 1) {
            const written = await at(turn).call('PATCH', path, { token, body: { cart: { turn } } })
            const reads = await Promise.all(
              [at(turn + 1), at(turn + 2)].map((instance) => instance.call('GET', path, { token })),
            )
            t.strictSame(
              reads.map(({ body }) => body),
              [{ cart: { turn } }, { cart: { turn } }],
            )
            t.equal(reads[0]?.headers.get('etag'), written.headers.get('etag'))
          }
          const before = (await at(0).call('GET', path, { token })).headers.get('etag') ?? ''
          const patches = await many(30, (turn) =>
            at(turn).call('PATCH', path, { token, body: { [`key${turn}`]: turn } }),
          )
          t.strictSame(new Set(statuses(patches)), new Set([200]))
          const merged = (await at(1).call('GET', path, { token })).body
          t.strictSame(merged, {
            cart: { turn: 29 },
            ...Object.fromEntries(patches.map((_, turn) => [`key${turn}`, turn])),
          })
          const late = { token, body: { late: true }, headers: { 'if-match': before } }
          t.equal((await at(2).call('PATCH', path, late)).status, 412, 'a lost race is told')
        }
      },
    )

    for (const [index, service] of all.entries()) {
      t.strictSame(service.events('session.reused'), [], `no honest client was taken for a thief by instance ${index}`)
      t.strictSame(
        service.lines().filter((line) => line.includes('"code":"internal"')),
        [],
      )
    }
  })
}

/** The ways to end a session, one after the other: by its refresh token, by its access token, from another device. */
function endIn(turn: number, here: Service, session: Tokens, other: Tokens): Promise<Answer<any>> {
  if (turn % 3 === 0) return known(here, 'POST', '/v1/logout', { body: { refresh_token: session.refresh_token } })
  if (turn % 3 === 1) return known(here, 'POST', '/v1/logout', { token: session.access_token })
  return known(here, 'DELETE', `/v1/sessions/${session.session_id}`, { token: other.access_token })
}

t.test('limits are counted over all instances on one Redis', async (t) => {
  const place = await (places['Redis'] as (t: Test) => Promise<Place>)(t)
  const limits = {
    LIMIT_FAILURES: '5/10m',
    LIMIT_SECOND_FACTOR: '5/24h',
    LIMIT_API: '22/10m',
    LIMIT_REFRESH: '30/10m',
    LIMIT_REGISTER: '8/10m',
  }
  const { at, home } = await startFleet(t, place, limits)

  await t.test('failed logins', async (t) => {
    const me = await register(at(0))
    const login = (turn: number, password: string) =>
      at(turn).call('POST', '/v1/login', { body: { email: me.email, password } })
    const tries: Answer<unknown>[] = []
    for (let turn = 0; turn < 9; turn += 1) tries.push(await login(turn, `${PASSWORD}?`))
    t.strictSame(statuses(tries), [...Array(5).fill(401), ...Array(4).fill(429)])
    const answers = await many(3, (turn) => login(turn, PASSWORD))
    t.strictSame(statuses(answers), [429, 429, 429], 'not even the right password helps now, anywhere')
    t.ok(answers.every(({ headers }) => Number(headers.get('retry-after')) > 0))
  })

  await t.test('guesses at the codes of an app, all at once', async (t) => {
    home.clock.now = Date.now()
    const { app, ...person } = await withApp(home, await register(at(0)))
    const { challenge } = await firstStep(at(1), person)
    const guess = (turn: number, totp: string) => secondStep(at(turn), challenge, { totp })
    const answers = await many(60, (turn) => guess(turn, '00000000'))
    t.equal(answers.filter(({ status }) => status === 401).length, 5)
    t.equal(answers.filter(({ status }) => status === 429).length, 55)
    t.equal((await guess(2, app.code())).status, 429, 'not even the right code helps now')
  })

  await t.test('requests from one address', async (t) => {
    const me = await register(at(1))
    const calls = await many(60, (turn) => at(turn).call('GET', '/v1/me', { token: me.access_token }))
    t.equal(calls.filter(({ status }) => status === 200).length, 20, 'two of 22 were used before')
    t.equal(calls.filter(({ status }) => status === 429).length, 40)
    const refreshes = await many(60, (turn) => refresh(at(turn), me))
    t.equal(refreshes.filter(({ status }) => status === 200).length, 30)
    t.equal(refreshes.filter(({ status }) => status === 429).length, 30)
    const registrations = await many(9, (turn) =>
      at(turn).call('POST', '/v1/register', { body: { email: newAddress(), password: PASSWORD } }),
    )
    t.equal(registrations.filter(({ status }) => status === 201).length, 5, 'three of eight were used before')
    t.equal((await verify(at(0), me)).status, 204, 'verify is not limited')
  })
})
