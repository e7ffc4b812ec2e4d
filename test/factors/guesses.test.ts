import t from 'tap'
import { appOf, firstStep, secondStep, withApp } from '../support/factors.ts'
import { openHome } from '../support/home.ts'
import { login, type MailStories, playOnBothStores } from '../support/mail-home.ts'

// Somebody guesses at codes, one by one or all at once.

const WRONG = '00000000'
const TOO_MANY = { status: 429, body: { code: 'too_many_requests' } }
const STRANGER = { ip: '203.0.113.77' }

const STORIES: MailStories = {
  'hundreds of guesses at once are no more than LIMIT_SECOND_FACTOR: a right one among the late ones is refused':
    async (t, home) => {
      const me = await withApp(home)
      const { challenge } = await firstStep(home, me)
      const guesses = [...Array.from({ length: 200 }, () => WRONG), me.app.code()]
      const answers = await Promise.all(
        guesses.map(async (totp, turn) => secondStep(home, challenge, { totp }, { ip: `203.0.113.${turn}` })),
      )
      t.equal(answers.filter(({ status }) => status === 401).length, 20)
      t.match(answers.at(-1), TOO_MANY)
    },

  'the code of a step-up is not to be guessed by a thief of the token, and its owner may send it again': async (
    t,
    home,
  ) => {
    const before = await home.newcomer()
    const { app } = await withApp(home, before)
    const totp = app.code()
    const stepUp = async (code: string, from = {}) =>
      home.call('POST', '/v1/step-up', { token: before.access_token, body: { totp: code }, ...from })
    t.equal((await stepUp(totp)).status, 200)
    for (let turn = 0; turn < 20; turn += 1) t.equal((await stepUp(WRONG, STRANGER)).status, 403)
    t.match(await stepUp(totp, STRANGER), TOO_MANY)
    t.equal((await stepUp(totp)).status, 200)
  },

  'the code that has enrolled an app is not to be guessed either: it would give the recovery codes': async (
    t,
    home,
  ) => {
    const { access_token: token } = await home.newcomer()
    const { secret } = (await home.call('POST', '/v1/factors/totp', { token })).body
    const code = appOf(home, secret).code()
    const confirm = async (shown: string, from = {}) =>
      home.call('POST', '/v1/factors/totp/confirm', { token, body: { code: shown }, ...from })
    t.equal((await confirm(code)).status, 200)
    const guesses = [...Array.from({ length: 60 }, () => WRONG), code]
    const answers = await Promise.all(guesses.map(async (guess) => confirm(guess, STRANGER)))
    t.equal(answers.filter(({ status }) => status === 400).length, 20)
    t.match(answers.at(-1), TOO_MANY)
    t.equal((await confirm(code)).status, 200)
  },
}

t.test('on both stores', async (t) => playOnBothStores(t, STORIES))

t.test('wrong passwords, wrong codes of an app and wrong recovery codes are counted apart', async (t) => {
  const home = await openHome({ LIMIT_FAILURES: '3/15m', LIMIT_SECOND_FACTOR: '3/24h' })
  t.teardown(home.close)
  const [me, you, them] = [await withApp(home), await withApp(home), await withApp(home)]
  const open = async (person: typeof me) => (await firstStep(home, person))['challenge']
  const show = async (challenge: string, factor: object) => (await secondStep(home, challenge, factor)).status
  const shut = async (challenge: string, factor: object) => {
    for (const status of [401, 401, 401, 429]) t.equal(await show(challenge, factor), status)
  }

  const mine = await open(me)
  for (const status of [401, 401, 401, 429])
    t.equal((await login(home, me.email, 'not the password at all')).status, status)
  t.equal(await show(mine, { totp: me.app.code() }), 200, 'wrong passwords leave a login that is half done')

  const yours = await open(you)
  await shut(yours, { totp: WRONG })
  t.equal(home.events('factor.refused').length, 3, 'what comes after the limit is not judged')
  t.equal(await show(yours, { totp: you.app.code() }), 429)
  t.equal(await show(await open(you), { recovery_code: you.recovery_codes[0] }), 200)

  const theirs = await open(them)
  await shut(theirs, { recovery_code: 'AAAAA-AAAAA' })
  t.equal(await show(theirs, { recovery_code: them.recovery_codes[0] }), 429)
  t.equal(await show(await open(them), { totp: them.app.code() }), 200)
})
