import t from 'tap'
import { StoreUnavailable } from '../../src/store/store.ts'
import { makePasskey } from '../support/authenticator.ts'
import {
  appOf,
  askForPasskey,
  creationOptions,
  firstStep,
  type PasskeyOwner,
  secondStep,
  type SoftApp,
  withApp,
  withPasskey,
} from '../support/factors.ts'
import { type Answer, type Home, type Newcomer, openHome } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'
import { makeWatched, type Watched } from '../support/watched-store.ts'

// The store goes away at each of the commands that a request gives it, before the command is carried out and after. The request is sent
// again and again, as it is; what it does is done once.

/** A request that is to be sent as it is, by whom, the answers that say it is done, and what must be so then. */
interface Ask {
  readonly token: string
  readonly send: () => Promise<Answer>
  readonly done?: readonly number[]
  /** What the trail of the account has once. */
  readonly event?: string
  readonly isSo?: (first: Answer, again: Answer, state: State) => boolean
}

/** What its owner sees of an account. */
interface State {
  readonly sessions: number
  readonly recovery_codes_left: number
  readonly passkeys: number
  readonly totp: boolean
}

type Owner = PasskeyOwner & { readonly app: SoftApp }

/** Somebody with an app and a passkey: two sessions, all recovery codes. */
async function owner(home: Home): Promise<Owner> {
  const { app, ...person } = await withApp(home)
  const me = await withPasskey(home, { me: person })
  await passkeySession(home, me)
  return { ...me, recovery_codes: person.recovery_codes, app }
}

async function passkeySession(home: Home, { passkey }: PasskeyOwner): Promise<void> {
  const { challenge, public_key } = await askForPasskey(home)
  await home.call('POST', '/v1/login/passkey', { body: { challenge, response: passkey.assert(public_key) } })
}

const isSameSession = (first: Answer, again: Answer, { sessions }: State) =>
  first.body.refresh_token === again.body.refresh_token && sessions === 3
const hasSameCodes = (first: Answer, again: Answer) =>
  first.body.recovery_codes.length === 10 && first.body.recovery_codes.join() === again.body.recovery_codes.join()

const asks: Readonly<Record<string, (home: Home) => Promise<Ask>>> = {
  async 'a second step by an app'(home) {
    const me = await owner(home)
    const [{ challenge }, totp] = [await firstStep(home, me), me.app.code()]
    const send = () => secondStep(home, challenge, { totp })
    return { token: me.access_token, send, isSo: isSameSession }
  },
  async 'a second step by a recovery code'(home) {
    const me = await owner(home)
    const { challenge } = await firstStep(home, me)
    const send = () => secondStep(home, challenge, { recovery_code: me.recovery_codes[0] })
    const isSo: Ask['isSo'] = (first, again, state) =>
      isSameSession(first, again, state) && state.recovery_codes_left === 9
    return { token: me.access_token, send, isSo, event: 'recovery_code.used' }
  },
  async 'a second step by a passkey'(home) {
    const me = await owner(home)
    const { challenge, public_key } = await firstStep(home, me)
    const passkey = me.passkey.assert(public_key)
    return { token: me.access_token, send: () => secondStep(home, challenge, { passkey }), isSo: isSameSession }
  },
  async 'a login by a passkey'(home) {
    const me = await owner(home)
    const { challenge, public_key } = await askForPasskey(home)
    const body = { challenge, response: me.passkey.assert(public_key) }
    return { token: me.access_token, send: () => home.call('POST', '/v1/login/passkey', { body }), isSo: isSameSession }
  },
  async 'an app that is begun'(home) {
    const { access_token: token } = await home.newcomer()
    const isSo: Ask['isSo'] = (first, again) => first.body.secret === again.body.secret
    return { token, send: () => home.call('POST', '/v1/factors/totp', { token }), isSo }
  },
  async 'an app that is confirmed'(home) {
    const { access_token: token } = await twoSessions(home)
    const begun = await home.call('POST', '/v1/factors/totp', { token })
    const body = { code: appOf(home, begun.body.secret).code() }
    const send = () => home.call('POST', '/v1/factors/totp/confirm', { token, body })
    const isSo: Ask['isSo'] = (first, again, { sessions, totp }) => hasSameCodes(first, again) && totp && sessions === 1
    return { token, send, isSo, event: 'factor.added' }
  },
  async 'a first passkey'(home) {
    const { access_token: token } = await twoSessions(home)
    const body = { response: makePasskey(await creationOptions(home, token)).response }
    const send = () => home.call('POST', '/v1/factors/passkeys', { token, body })
    const isSo: Ask['isSo'] = (first, again, { sessions, passkeys }) =>
      hasSameCodes(first, again) && passkeys === 1 && sessions === 1
    return { token, send, done: [200, 201], isSo, event: 'factor.added' }
  },
  async 'new recovery codes'(home) {
    const { access_token: token } = await withApp(home)
    const send = () => home.call('POST', '/v1/factors/recovery-codes', { token, body: { request_id: 'mine' } })
    return { token, send, isSo: hasSameCodes }
  },
  async 'a step-up by the password'(home) {
    const { access_token: token, password } = await home.newcomer()
    return { token, send: () => home.call('POST', '/v1/step-up', { token, body: { password } }) }
  },
  async 'a step-up by an app'(home) {
    const { access_token: token, app } = await withApp(home)
    const body = { totp: app.code() }
    return { token, send: () => home.call('POST', '/v1/step-up', { token, body }) }
  },
  async 'a step-up by a recovery code'(home) {
    const { access_token: token, recovery_codes } = await withApp(home)
    const body = { recovery_code: recovery_codes[0] }
    const isSo: Ask['isSo'] = (_first, _again, { recovery_codes_left }) => recovery_codes_left === 9
    return { token, send: () => home.call('POST', '/v1/step-up', { token, body }), isSo, event: 'recovery_code.used' }
  },
  async 'a step-up by a passkey'(home) {
    const { access_token: token, passkey } = await withPasskey(home)
    const { challenge, public_key } = await askForPasskey(home, token)
    const body = { challenge, passkey: passkey.assert(public_key) }
    return { token, send: () => home.call('POST', '/v1/step-up', { token, body }) }
  },
  async 'an app that is removed'(home) {
    const { access_token: token } = await owner(home)
    const isSo: Ask['isSo'] = (_first, _again, { totp, passkeys }) => !totp && passkeys === 1
    const send = () => home.call('DELETE', '/v1/factors/totp', { token })
    return { token, send, done: [204], isSo, event: 'factor.removed' }
  },
  async 'a passkey that is removed'(home) {
    const { access_token: token, passkeyId } = await owner(home)
    const isSo: Ask['isSo'] = (_first, _again, { totp, passkeys }) => totp && passkeys === 0
    const send = () => home.call('DELETE', `/v1/factors/passkeys/${passkeyId}`, { token })
    return { token, send, done: [204, 404], isSo, event: 'factor.removed' }
  },
  async 'a passkey that gets another name'(home) {
    const { access_token: token, passkeyId } = await withPasskey(home)
    const body = { name: 'Desk' }
    const send = () => home.call('PATCH', `/v1/factors/passkeys/${passkeyId}`, { token, body })
    return { token, send, isSo: ({ body: { name } }) => name === 'Desk' }
  },
}

async function twoSessions(home: Home): Promise<Newcomer> {
  const me = await home.newcomer()
  await home.call('POST', '/v1/login', { body: { email: me.email, password: me.password } })
  return me
}

/** Sends until it is done, each time with the store away one command later; tells the answers. */
async function sendThroughOutages(watched: Watched, send: () => Promise<Answer>, isCarriedOut: boolean) {
  const answers: Answer[] = []
  for (let last = 1; last < 30; last += 1) {
    let given = 0
    watched.watch = async (_command, run) => {
      given += 1
      if (given < last) return run()
      if (given === last && isCarriedOut) await run()
      throw new StoreUnavailable('it is gone')
    }
    const answer = await send()
    answers.push(answer)
    if (answer.status !== 503) break
  }
  watched.watch = null
  return answers
}

async function stateOf({ call }: Home, token: string): Promise<State> {
  const [factors, { body }] = [
    await call('GET', '/v1/factors', { token }),
    await call('GET', '/v1/sessions', { token }),
  ]
  return { ...factors.body, passkeys: factors.body.passkeys.length, sessions: body.sessions.length }
}

const redis = await startRedis()
t.teardown(redis.stop)
for (const [store, env] of Object.entries({ LMDB: {}, Redis: { REDIS_URL: redis.url } }))
  t.test(`where ${store} goes away, each of these is 503, and what is sent again is done once`, async (t) => {
    const watched = makeWatched()
    const home = await openHome(env, { store: watched.around })
    t.teardown(home.close)
    for (const [name, prepare] of Object.entries(asks))
      for (const isCarriedOut of [false, true])
        await t.test(`${name}, ${isCarriedOut ? 'after' : 'before'} each command`, async (t) => {
          const { token, send, done = [200], event, isSo = () => true } = await prepare(home)
          const answers = await sendThroughOutages(watched, send, isCarriedOut)
          const first = answers.pop() as Answer
          t.ok(answers.length >= 2, `${answers.length} times`)
          for (const answer of answers)
            t.match(answer, { body: { code: 'store_unavailable' }, headers: { 'retry-after': String } })
          const again = await send()
          t.ok(done.includes(first.status) && done.includes(again.status), `${first.status}, ${again.status}`)
          t.ok(isSo(first, again, await stateOf(home, token)))
          const { events } = (await home.call('GET', '/v1/me/events', { token })).body
          const count = events.filter((each: { event: string }) => each.event === event).length
          if (event !== undefined) t.equal(count, 1, event)
        })
  })
