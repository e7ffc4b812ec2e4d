import t, { type Test } from 'tap'
import { type MailHome, openMailHome } from '../support/mail-home.ts'
import { startRedis } from '../support/redis.ts'
import { keysOf, makeWatched, type Watched } from '../support/watched-store.ts'

// Whatever an account does with its address, it has one, and nobody else has it.

const redis = await startRedis()
t.teardown(redis.stop)

interface Person {
  readonly access_token: string
  readonly email: string
  readonly password: string
}

async function changeTo(home: MailHome, { access_token: token }: Person, new_email: string) {
  const asked = () => home.call('POST', '/v1/email/change', { token, body: { new_email } })
  const letter = await home.letterAfter(new_email.trim().toLowerCase(), asked)
  return home.call('POST', '/v1/email/change/confirm', { token, body: { token: letter.token } })
}

const login = (home: MailHome, { email, password }: Omit<Person, 'access_token'>) =>
  home.call('POST', '/v1/login', { body: { email, password } })
const register = (home: MailHome, { email, password }: Omit<Person, 'access_token'>) =>
  home.call('POST', '/v1/register', { body: { email, password } })

/** The account logs in by the address, and nobody else can register it. */
async function hasIt(t: Test, home: MailHome, me: Omit<Person, 'access_token'>): Promise<void> {
  t.equal((await login(home, me)).status, 200)
  const squat = await register(home, { ...me, password: `${me.password} of another` })
  t.match(squat, { status: 409, body: { code: 'email_taken' } })
}

const STORIES: Record<string, (t: Test, home: MailHome, watched: Watched) => Promise<void>> = {
  'a change to the address that the account has leaves it the address, in any spelling': async (t, home) => {
    for (const spell of [(email: string) => email, (email: string) => ` ${email.toUpperCase()} `]) {
      const me = await home.newcomer()
      t.equal((await changeTo(home, me, spell(me.email))).status, 200)
      await hasIt(t, home, me)
    }
  },

  'whoever is slow to give an old address up does not take it from an account that has changed back': async (
    t,
    home,
    watched,
  ) => {
    for (const kind of ['get', 'commit'] as const) {
      const me = await home.newcomer()
      const there = `there-${me.email}`
      let goOn = () => {}
      const changesBefore = home.events('email.changed').length
      const isHeld = new Promise<void>((resolve) => {
        watched.watch = async (command, run) => {
          const isGivenUp =
            command.kind === kind &&
            home.events('email.changed').length > changesBefore &&
            keysOf(command).some((key) => key.endsWith('}:email'))
          if (!isGivenUp) return run()
          watched.watch = null
          const isOver = new Promise<void>((over) => (goOn = over))
          resolve()
          await isOver
          return run()
        }
      })
      const slow = changeTo(home, me, there)
      await isHeld
      t.equal((await changeTo(home, me, me.email)).status, 200)
      goOn()
      t.equal((await slow).status, 200)
      await hasIt(t, home, me)
      t.equal((await login(home, { ...me, email: there })).status, 401)
      t.equal((await register(home, { ...me, email: there })).status, 201, 'the other address is free')
    }
  },
}

for (const [store, env] of Object.entries({ LMDB: {}, Redis: { REDIS_URL: redis.url } })) {
  for (const [name, story] of Object.entries(STORIES)) {
    t.test(`${name}, on ${store}`, async (t) => {
      const watched = makeWatched()
      await story(t, await openMailHome(t, env, { store: watched.around }), watched)
    })
  }
}
