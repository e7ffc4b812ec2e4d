import t from 'tap'
import { disable } from '../../src/auth/accounts/disable.ts'
import { firstStep, secondStep, STEP_MS, withApp } from '../support/factors.ts'
import { openHome } from '../support/home.ts'
import { INVALID, login, type MailStories, playOnBothStores } from '../support/mail-home.ts'
import { startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'

// A login in two steps, and who might get more out of it than one session.

const WRONG = { status: 401, body: { code: 'bad_credentials' } }
const CALLER = { ip: '192.0.2.1', network: '192.0.2.1', userAgent: '', requestId: '' }
const NEXT = 'nine blue umbrellas on the roof'

const STORIES: MailStories = {
  'the same challenge and code again is the same session, until one of its tokens has come back': async (t, home) => {
    const me = await withApp(home)
    for (const comeBack of ['refresh', 'verify']) {
      const { challenge } = await firstStep(home, me)
      const totp = me.app.code()
      const opened = await secondStep(home, challenge, { totp })
      t.equal(opened.status, 200)
      const { refresh_token, session_id, access_token } = opened.body
      t.match(await secondStep(home, challenge, { totp }), { status: 200, body: { refresh_token, session_id } })
      if (comeBack === 'refresh') await home.call('POST', '/v1/refresh', { body: { refresh_token } })
      else await home.call('GET', '/v1/verify', { token: access_token })
      await eventually(async () => (await secondStep(home, challenge, { totp })).status === 401, { within: 5000 })
      t.match(await secondStep(home, challenge, { totp }), WRONG, comeBack)
      home.clock.advance(2 * STEP_MS)
    }
  },

  'thirty uses of one recovery code, each with a challenge of its own, open one session': async (t, home) => {
    const me = await withApp(home)
    const challenges = []
    for (let count = 0; count < 30; count += 1) challenges.push(await firstStep(home, me))
    const recovery_code = me.recovery_codes[3]
    const answers = await Promise.all(challenges.map(({ challenge }) => secondStep(home, challenge, { recovery_code })))
    t.equal(answers.filter(({ status }) => status === 200).length, 1)
    t.ok(
      answers.every(({ status }) => [200, 401, 429].includes(status)),
      'the others have shown a wrong one, and too many of them',
    )
    const { access_token: token } = answers.find(({ status }) => status === 200)?.body ?? {}
    t.match((await home.call('GET', '/v1/factors', { token })).body, { recovery_codes_left: 9 })
    t.equal(home.events('recovery_code.used').length, 1)
    t.equal((await home.mailsTo(me.email, 2)).length, 2, 'one for the app, one for the code')
  },

  'a spent code opens nothing, also after the clock was set back': async (t, home) => {
    const me = await withApp(home)
    const totp = me.app.code()
    t.equal((await secondStep(home, (await firstStep(home, me))['challenge'], { totp })).status, 200)
    for (const back of [0, STEP_MS, STEP_MS]) {
      home.clock.advance(-back)
      for (const code of [totp, me.app.code(), me.app.code(-1)])
        t.match(await secondStep(home, (await firstStep(home, me))['challenge'], { totp: code }), WRONG)
    }
    home.clock.advance(3 * STEP_MS)
    t.equal((await secondStep(home, (await firstStep(home, me))['challenge'], { totp: me.app.code() })).status, 200)
  },

  'a challenge is dead after a change of the password, a logout of all, disabling, and ten minutes': async (
    t,
    home,
  ) => {
    const deaths: Record<string, (me: Awaited<ReturnType<typeof withApp>>) => Promise<unknown>> = {
      'a change of the password': async ({ access_token: token, password: current_password }) =>
        home.call('POST', '/v1/password', { token, body: { current_password, new_password: NEXT } }),
      'a logout of all': async ({ access_token: token }) =>
        home.call('POST', '/v1/logout', { token, body: { scope: 'all' } }),
      disabling: async ({ user }) => disable(home.deps, user.id, null, CALLER),
      'ten minutes': async () => home.clock.advance(10 * 60_000),
    }
    for (const [death, strike] of Object.entries(deaths)) {
      const me = await withApp(home)
      const { challenge } = await firstStep(home, me)
      await strike(me)
      t.match(await secondStep(home, challenge, { totp: me.app.code() }), INVALID, death)
    }
  },

  'a wrong code, a spent one, one of somebody else and no such factor look alike': async (t, home) => {
    const [me, you] = [await withApp(home), await withApp(home)]
    const totp = me.app.code()
    await secondStep(home, (await firstStep(home, me))['challenge'], { totp })
    const shown = {
      spent: { totp },
      wrong: { totp: '000000' },
      foreign: { totp: you.app.code() },
      code: { recovery_code: 'AAAAA-AAAAA' },
    }
    const answers = []
    for (const factor of Object.values(shown)) {
      const { status, body, headers } = await secondStep(home, (await firstStep(home, me))['challenge'], factor)
      const { date: _, ...same } = headers
      answers.push(JSON.stringify([status, body, Object.keys(same), same['www-authenticate'], same['content-length']]))
    }
    t.equal(new Set(answers).size, 1)
    t.match(answers[0], /^\[401,.*bad_credentials/)
  },

  'wrong codes never lock the password, nor the other factor, and their owner is told at the fifth, once': async (
    t,
    home,
  ) => {
    const [clumsy, me] = [await withApp(home), await withApp(home)]
    const guess = async (person: typeof me, times: number) => {
      for (let time = 1; time <= times; time += 1) {
        const { challenge } = await firstStep(home, person)
        t.match(await secondStep(home, challenge, { totp: '000000' }, { ip: '203.0.113.9' }), WRONG)
      }
    }
    await guess(clumsy, 4)
    await guess(me, 12)
    const { challenge } = await firstStep(home, me)
    t.equal((await secondStep(home, challenge, { recovery_code: me.recovery_codes[0] })).status, 200)
    const mails = await home.mailsTo(me.email, 3)
    const kinds = mails.map(({ subject = '' }) => subject.split(' ').slice(0, 2).join(' '))
    t.strictSame(new Set(kinds), new Set(['A second', 'Wrong codes', 'A recovery']))
    t.equal(home.events('factor.refused').length, 16)
    t.equal((await home.mailsTo(clumsy.email, 1)).length, 1, 'four are a slip, of which nobody is told')
  },

  'what a code guessed by a stranger costs: no more than LIMIT_SECOND_FACTOR of them, and nothing for the owner':
    async (t, home) => {
      const me = await withApp(home)
      const stranger = { ip: '203.0.113.77' }
      const statuses: number[] = []
      while (statuses.length < 40 && statuses.at(-1) !== 429) {
        const { challenge } = await firstStep(home, me)
        statuses.push((await secondStep(home, challenge, { totp: '000000' }, stranger)).status)
      }
      t.equal(statuses.filter((status) => status === 401).length, 20)
      const { challenge } = await firstStep(home, me)
      t.equal((await secondStep(home, challenge, { totp: me.app.code() }, stranger)).status, 429, 'nor a right one')
      t.equal((await secondStep(home, challenge, { totp: me.app.code() })).status, 200, 'from where the owner is known')
      const moved = { ip: '198.51.100.7' }
      home.clock.advance(STEP_MS)
      const show = async (at: string) => (await secondStep(home, at, { totp: me.app.code() }, moved)).status
      const { challenge: again } = await firstStep(home, me)
      t.equal(await show(again), 429)
      await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token }, ...moved })
      t.equal(await show(again), 200, 'and where a session of the owner is used')
    },

  'a reset by mail leaves the factor of an address that was verified, and removes what a squatter has planted': async (
    t,
    home,
  ) => {
    const squatter = await withApp(home)
    const { token } = await home.forgot(squatter.email)
    t.equal((await home.call('POST', '/v1/password/reset', { body: { token, new_password: NEXT } })).status, 204)
    t.equal((await login(home, squatter.email, NEXT)).status, 200, 'the address was never verified')

    const owner = await withApp(home)
    const first = await home.forgot(owner.email)
    const reset = async (by: string, new_password: string) =>
      (await home.call('POST', '/v1/password/reset', { body: { token: by, new_password } })).status
    t.equal(await reset(first.token, NEXT), 204)
    const again = await withApp(home, { ...owner, ...(await login(home, owner.email, NEXT)).body })
    const second = await home.letterAfter(owner.email, () =>
      home.call('POST', '/v1/password/forgot', { body: { email: owner.email } }),
    )
    t.equal(await reset(second.token, owner.password), 204)
    const asked = await login(home, owner.email, owner.password)
    t.match(asked, { status: 401, body: { code: 'second_factor_required' } }, 'now it is verified')
    t.equal((await secondStep(home, asked.body.challenge, { totp: again.app.code() })).status, 200)
  },
}

t.test('on both stores', async (t) => playOnBothStores(t, STORIES))

t.test('one code, thirty logins at once over three instances: one session', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const homes = await Promise.all(
    [1, 2, 3].map(async () => openHome({ REDIS_URL: redis.url, LIMIT_SECOND_FACTOR: '100/24h' })),
  )
  t.teardown(async () => Promise.all(homes.map((home) => home.close())))
  const [home] = homes as [(typeof homes)[0]]
  const me = await withApp(home)
  for (const other of homes) other.clock.now = home.clock.now
  const of = (at: number) => homes[at % 3] as typeof home
  const challenges = await Promise.all(Array.from({ length: 30 }, async (_, at) => firstStep(of(at), me)))
  const totp = me.app.code()
  const answers = await Promise.all(challenges.map(({ challenge }, at) => secondStep(of(at), challenge, { totp })))
  t.equal(answers.filter(({ status }) => status === 200).length, 1)
  t.equal(answers.filter(({ status }) => status === 401).length, 29)

  home.clock.advance(2 * STEP_MS)
  for (const other of homes) other.clock.now = home.clock.now
  const { challenge } = await firstStep(home, me)
  const same = await Promise.all(
    Array.from({ length: 30 }, async (_, at) => secondStep(of(at), challenge, { totp: me.app.code() })),
  )
  t.strictSame(new Set(same.map(({ status }) => status)), new Set([200]))
  t.equal(
    new Set(same.map(({ body }) => body.refresh_token)).size,
    1,
    'one challenge, one code: one and the same session',
  )
})

t.test(
  'in cookie mode the second step sets the cookie, for the own site only, and ends the session that it replaces',
  async (t) => {
    const home = await openHome()
    t.teardown(home.close)
    const own = { 'sec-fetch-site': 'same-origin' }
    const me = await withApp(home)
    const open = async (headers: Record<string, string>) => {
      const { challenge } = await call(home, me)
      return secondStep(home, challenge, { totp: me.app.code() }, { headers })
    }
    async function call(at: typeof home, { email, password }: typeof me) {
      const body = { email, password, transport: 'cookie', remember: true }
      return (await at.call('POST', '/v1/login', { body, headers: own })).body
    }
    t.match(await open({ 'sec-fetch-site': 'cross-site' }), { status: 403, body: { code: 'cross_site' } })
    const first = await open(own)
    t.match(first, { status: 200, headers: { 'set-cookie': /__Host-refresh_token=.*Max-Age/ } })
    t.notOk('refresh_token' in first.body)
    home.clock.advance(2 * STEP_MS)
    const [cookie] = String(first.headers['set-cookie']).split(';') as [string]
    t.equal((await open({ ...own, cookie })).status, 200)
    t.match(await home.call('GET', '/v1/verify', { token: first.body.access_token }), {
      status: 401,
      body: { code: 'token_revoked' },
    })
  },
)
