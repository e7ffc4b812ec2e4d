import t from 'tap'
import { type AppOwner, firstStep, type PasskeyOwner, secondStep, withApp, withPasskey } from '../support/factors.ts'
import { openHome } from '../support/home.ts'
import { makeWatched } from '../support/watched-store.ts'

// What proves nothing tells nothing: neither whether there is such a factor, nor whether a code was good once.

const watched = makeWatched()
const home = await openHome({}, { store: watched.around })
t.teardown(home.close)

type Owner = AppOwner | PasskeyOwner
type Show = (challenge: string, person: Owner) => ReturnType<typeof secondStep>

const NO_CODE = 'AAAAA-AAAAA'
const totpOf = (person: Owner) => ('app' in person ? person.app.code() : '000000')

/** All that a stranger sees of it, and what the store is asked. */
async function tracesOf(show: Show, person: Owner): Promise<{ readonly seen: string; readonly asked: string }> {
  const { challenge } = await firstStep(home, person)
  const asked: string[] = []
  watched.watch = (command, run) => {
    asked.push(command.kind)
    return run()
  }
  const { status, body, headers } = await show(challenge as string, person)
  watched.watch = null
  const { date: _, ...rest } = headers
  return { seen: JSON.stringify([status, body, rest]), asked: asked.join(' ') }
}

const shown =
  (factor: object): Show =>
  (challenge) =>
    secondStep(home, challenge, factor)

/** Shows what was good before. */
async function spend(person: Owner, factor: object): Promise<Show> {
  const { challenge } = await firstStep(home, person)
  t.equal((await secondStep(home, challenge, factor)).status, 200)
  return shown(factor)
}

t.test('a wrong code of an app, a spent one, one of somebody else, and no app at all', async (t) => {
  const [wrong, spent, foreign] = [await withApp(home), await withApp(home), await withApp(home)]
  const [none, foreigner] = [await withPasskey(home), await withApp(home)]
  const all = [
    await tracesOf(shown({ totp: '000000' }), wrong),
    await tracesOf(await spend(spent, { totp: totpOf(spent) }), spent),
    await tracesOf(shown({ totp: totpOf(foreigner) }), foreign),
    await tracesOf(shown({ totp: 'not six digits' }), await withApp(home)),
    await tracesOf(shown({ totp: '000000' }), none),
  ]
  t.match(JSON.parse(all[0]?.seen ?? ''), [401, { code: 'bad_credentials' }])
  t.equal(new Set(all.map(({ seen }) => seen)).size, 1)
  t.equal(new Set(all.map(({ asked }) => asked)).size, 1)
})

t.test('a wrong recovery code, a used one, one of before, and none left', async (t) => {
  const [wrong, used, renewed] = [await withApp(home), await withApp(home), await withApp(home)]
  const body = { request_id: 'one' }
  const answer = await home.call('POST', '/v1/factors/recovery-codes', { token: renewed.access_token, body })
  t.equal(answer.status, 200)
  const nothingLeft = await withApp(home)
  for (const code of nothingLeft.recovery_codes) await spend(nothingLeft, { recovery_code: code })
  const all = [
    await tracesOf(shown({ recovery_code: NO_CODE }), wrong),
    await tracesOf(await spend(used, { recovery_code: used.recovery_codes[0] }), used),
    await tracesOf(shown({ recovery_code: renewed.recovery_codes[0] }), renewed),
    await tracesOf(shown({ recovery_code: NO_CODE }), nothingLeft),
  ]
  t.equal(new Set(all.map(({ seen }) => seen)).size, 1)
  t.equal(new Set(all.map(({ asked }) => asked)).size, 1)
  const { factors } = await firstStep(home, nothingLeft)
  t.strictSame(factors, ['totp'], 'it is asked for no more')
})
