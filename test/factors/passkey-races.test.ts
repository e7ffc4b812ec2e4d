import t, { type Test } from 'tap'
import { makePasskey } from '../support/authenticator.ts'
import { askForPasskey, creationOptions, firstStep, passkeyLogin, secondStep, withPasskey } from '../support/factors.ts'
import { type Answer, type Home, openHome } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'
import { makeWatched, type Watched } from '../support/watched-store.ts'

// What happens at once to one person's passkeys, on both stores.

const REQUIRED = { SECOND_FACTOR: 'required' }
const thirty = (send: () => Promise<Answer>) => Promise.all(Array.from({ length: 30 }, send))
const count = (answers: readonly Answer[], status: number) => answers.filter((each) => each.status === status).length

const stories: Readonly<Record<string, (t: Test, home: Home, watched: Watched) => Promise<void>>> = {
  async 'of thirty assertions of one challenge at once one opens a session'(t, home) {
    const me = await withPasskey(home, { counts: false })
    const { challenge, public_key } = await askForPasskey(home)
    const alone = await thirty(() =>
      home.call('POST', '/v1/login/passkey', { body: { challenge, response: me.passkey.assert(public_key) } }),
    )
    t.strictSame([count(alone, 200), count(alone, 401)], [1, 29])
    const asked = await firstStep(home, me)
    const second = await thirty(() =>
      secondStep(home, asked['challenge'], { passkey: me.passkey.assert(asked['public_key']) }),
    )
    t.strictSame([count(second, 200), count(second, 401)], [1, 29])
    const { sessions } = (await home.call('GET', '/v1/sessions', { token: me.access_token })).body
    t.equal(sessions.length, 3)
  },

  async 'of thirty times the same assertion at once all get the one session that it opens'(t, home) {
    const me = await withPasskey(home)
    const { challenge, public_key } = await askForPasskey(home)
    const body = { challenge, response: me.passkey.assert(public_key) }
    const answers = await thirty(() => home.call('POST', '/v1/login/passkey', { body }))
    t.equal(count(answers, 200), 30)
    t.equal(new Set(answers.map(({ body: { refresh_token } }) => refresh_token)).size, 1)
    t.strictSame(home.events('passkey.counter_fell'), [])
  },

  async 'of thirty times the same new passkey at once one is added, and all answers have the same codes'(t, home) {
    const { access_token: token } = await home.newcomer()
    const { response } = makePasskey(await creationOptions(home, token))
    const answers = await thirty(() => home.call('POST', '/v1/factors/passkeys', { token, body: { response } }))
    t.strictSame([count(answers, 201), count(answers, 200)], [1, 29])
    t.equal(new Set(answers.map(({ body }) => body.recovery_codes.join())).size, 1)
  },

  async 'of two passkeys that answer one challenge at once one is added'(t, home) {
    const { access_token: token } = await home.newcomer()
    const options = await creationOptions(home, token)
    const answers = await Promise.all(
      [1, 2].map(() =>
        home.call('POST', '/v1/factors/passkeys', { token, body: { response: makePasskey(options).response } }),
      ),
    )
    t.strictSame([count(answers, 201), count(answers, 400)], [1, 1])
  },

  async 'of the last two passkeys that are removed at once one stays, where one is required'(t, home) {
    for (let round = 0; round < 3; round += 1) {
      const first = await withPasskey(home)
      const second = await withPasskey(home, { me: first })
      const token = second.access_token
      const remove = (id: string) => home.call('DELETE', `/v1/factors/passkeys/${id}`, { token })
      const answers = await Promise.all([remove(first.passkeyId), remove(second.passkeyId)])
      t.strictSame([count(answers, 204), count(answers, 409)], [1, 1])
      t.match(answers.find(({ status }) => status === 409)?.body, { code: 'last_factor' })
      const { passkeys } = (await home.call('GET', '/v1/factors', { token })).body
      t.equal(passkeys.length, 1)
    }
  },

  async 'a logout between what an enrolment reads and what it writes stands, and nothing is enrolled'(
    t,
    home,
    watched,
  ) {
    const me = await home.newcomer()
    const token = me.access_token
    const { response } = makePasskey(await creationOptions(home, token))
    const add = () => home.call('POST', '/v1/factors/passkeys', { token, body: { response } })
    const logOut = () => home.call('POST', '/v1/logout', { token })
    t.equal((await between(watched, add, logOut)).status, 401)
    t.match(await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } }), { status: 401 })
    const { email, password } = me
    const again = await home.call('POST', '/v1/login', { body: { email, password } })
    t.equal(again.status, 200, 'a password alone opens the account')
  },

  async 'a new name and a login lose nothing of each other, whichever is written first'(t, home, watched) {
    const me = await withPasskey(home)
    const token = me.access_token
    const rename = (name: string) =>
      home.call('PATCH', `/v1/factors/passkeys/${me.passkeyId}`, { token, body: { name } })
    const logIn = () => passkeyLogin(home, me.passkey)
    const list = async () => (await home.call('GET', '/v1/factors', { token })).body.passkeys
    t.equal((await between(watched, logIn, () => rename('Desk'))).status, 200)
    t.match(await list(), [{ name: 'Desk', last_used_at: new Date(home.clock.now).toISOString() }])
    home.clock.advance(1000)
    t.equal((await between(watched, () => rename('Bag'), logIn)).status, 200)
    t.match(await list(), [{ name: 'Bag', last_used_at: new Date(home.clock.now).toISOString() }])
    me.passkey.counter = 1
    t.equal((await logIn()).status, 401, 'its counter is kept, too')
  },
}

/** Sends one, and has the other done between what it reads and what it writes. */
async function between(watched: Watched, send: () => Promise<Answer>, other: () => Promise<Answer>): Promise<Answer> {
  watched.watch = async (command, run) => {
    if (command.kind !== 'commit') return run()
    watched.watch = null
    await other()
    return run()
  }
  return send()
}

const redis = await startRedis()
t.teardown(redis.stop)
for (const [store, env] of Object.entries({ LMDB: {}, Redis: { REDIS_URL: redis.url } }))
  t.test(`on ${store}`, async (t) => {
    const watched = makeWatched()
    const home = await openHome({ ...REQUIRED, ...env }, { store: watched.around })
    t.teardown(home.close)
    for (const [name, story] of Object.entries(stories)) await t.test(name, (t) => story(t, home, watched))
  })
