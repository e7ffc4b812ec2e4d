import t, { type Test } from 'tap'
import { StoreUnavailable } from '../../src/store/store.ts'
import type { Newcomer } from '../support/home.ts'
import { login, type MailHome, openMailHome } from '../support/mail-home.ts'
import { startRedis } from '../support/redis.ts'
import { type Command, makeWatched, type Watched } from '../support/watched-store.ts'

// A change of address is three commits, and a fourth that gives the old address up. Between any two of them somebody else comes, or
// the request is never finished: no address has two owners, and none is lost.

const STEPS = [1, 2, 3, 4]
const TEN_MINUTES = 600_000
const OTHER = 'three green kites over the sea'

const redis = await startRedis()
t.teardown(redis.stop)

interface World {
  readonly home: MailHome
  readonly watched: Watched
  /** Ten minutes pass, for the store, too. */
  readonly tenMinutesLater: () => Promise<void>
}

async function open(t: Test, env: Record<string, string>): Promise<World> {
  const watched = makeWatched()
  const home = await openMailHome(t, env, { store: watched.around })
  async function tenMinutesLater() {
    home.clock.advance(TEN_MINUTES)
    const held = (await redis.cli('KEYS', '*:held-email')).split('\n').filter(Boolean)
    if (held.length > 0) await redis.cli('DEL', ...held) // Redis would do so by its own clock
  }
  return { home, watched, tenMinutesLater }
}

let addresses = 0
const newAddress = () => `crashes-${process.pid}-${(addresses += 1)}@example.org`

const register = (home: MailHome, email: string, password: string) =>
  home.call('POST', '/v1/register', { body: { email, password } })
const confirm = (home: MailHome, { access_token }: Pick<Newcomer, 'access_token'>, token: string) =>
  home.call('POST', '/v1/email/change/confirm', { token: access_token, body: { token } })

async function tokenFor(home: MailHome, { access_token }: Newcomer, new_email: string): Promise<string> {
  const asked = () => home.call('POST', '/v1/email/change', { token: access_token, body: { new_email } })
  return (await home.letterAfter(new_email, asked)).token
}

/** One of the commits of a confirmation: the address is held, is claimed, is the user's, the old one is given up. */
function isStep(command: Command): boolean {
  if (command.kind !== 'commit') return false
  const written = [...command.commit.puts.map(({ key }) => key), ...command.commit.deletes]
  return written.some((key) => /:held-email$|\}:email$|:secrets:change$/.test(key))
}

/** Just before that step of what begins now, `act` is done. */
function beforeStep({ watched }: World, step: number, act: () => Promise<void>): void {
  let steps = 0
  watched.watch = async (command, run) => {
    if (isStep(command) && (steps += 1) === step) {
      watched.watch = null
      await act()
    }
    return run()
  }
}

/** Whoever begins now reaches the store no more from that step on. */
function dieAtStep({ watched }: World, step: number): void {
  let steps = 0
  watched.watch = async (command, run) => {
    if (isStep(command)) steps += 1
    if (steps < step) return run()
    throw new StoreUnavailable('it is gone')
  }
}

/** It logs one of these people in, and nobody can register it. */
async function hasOneOwner(t: Test, { home }: World, email: string, passwords: readonly string[], about: string) {
  const came = await Promise.all(passwords.map((password) => login(home, email, password)))
  t.equal(came.filter(({ status }) => status === 200).length, 1, `${about}: one owner`)
  t.equal((await register(home, email, 'an orange tree in the snow')).status, 409, `${about}: and no other`)
}

for (const [store, env] of Object.entries({ LMDB: {}, Redis: { REDIS_URL: redis.url } })) {
  t.test(`a registration between any two commits of a change: one of them has the address, on ${store}`, async (t) => {
    const world = await open(t, env)
    const { home } = world
    for (const step of STEPS) {
      const [me, wanted] = [await home.newcomer(), newAddress()]
      const token = await tokenFor(home, me, wanted)
      let registered = 0
      beforeStep(world, step, async () => void (registered = (await register(home, wanted, OTHER)).status))
      const changed = (await confirm(home, me, token)).status
      const about = `before step ${step}, ${changed} and ${registered}`
      t.ok(['200,409', '409,201'].includes(`${changed},${registered}`), about)
      await hasOneOwner(t, world, wanted, [me.password, OTHER], about)
      const old = await login(home, me.email, me.password)
      t.equal(old.status, changed === 200 ? 401 : 200, `${about}: the old address`)
    }
  })

  t.test(`another change between any two commits of a change: one of them has the address, on ${store}`, async (t) => {
    const world = await open(t, env)
    const { home } = world
    for (const step of STEPS) {
      const wanted = newAddress()
      const [me, rival] = [await home.newcomer(), await home.newcomer({ password: OTHER })]
      const [mine, theirs] = [await tokenFor(home, me, wanted), await tokenFor(home, rival, wanted)]
      let other = 0
      beforeStep(world, step, async () => void (other = (await confirm(home, rival, theirs)).status))
      const changed = (await confirm(home, me, mine)).status
      const about = `before step ${step}, ${changed} and ${other}`
      t.ok(['200,409', '409,200'].includes(`${changed},${other}`), about)
      await hasOneOwner(t, world, wanted, [me.password, OTHER], about)
      const loser = changed === 200 ? { ...rival, password: OTHER } : me
      await hasOneOwner(t, world, loser.email, [loser.password], `${about}, the loser’s own`)
    }
  })

  t.test(`a change that ended between two commits is finished by the same request again, on ${store}`, async (t) => {
    const world = await open(t, env)
    const { home, watched } = world
    for (const step of STEPS) {
      const [me, wanted] = [await home.newcomer(), newAddress()]
      const token = await tokenFor(home, me, wanted)
      dieAtStep(world, step)
      const { status } = await confirm(home, me, token)
      t.equal(status, step === 4 ? 200 : 503, 'the old address is given up after the change')
      watched.watch = null
      const about = `at step ${step}`
      if (step > 2) t.equal((await register(home, wanted, OTHER)).status, 409, `${about}: held or had`)
      t.equal((await confirm(home, me, token)).status, 200, about)
      await hasOneOwner(t, world, wanted, [me.password], about)
      t.equal((await register(home, me.email, OTHER)).status, 201, `${about}: the old address is free`)
      await hasOneOwner(t, world, wanted, [me.password], about)
    }
  })

  t.test(`a change that ended between two commits takes an address from nobody for long, on ${store}`, async (t) => {
    const world = await open(t, env)
    const { home, watched } = world
    for (const step of STEPS.slice(0, 3)) {
      const [me, wanted] = [await home.newcomer(), newAddress()]
      const token = await tokenFor(home, me, wanted)
      dieAtStep(world, step)
      t.equal((await confirm(home, me, token)).status, 503)
      watched.watch = null
      const about = `at step ${step}`
      t.equal((await login(home, wanted, me.password)).status, 401, `${about}: what is held logs nobody in`)
      await hasOneOwner(t, world, me.email, [me.password], about)
      await world.tenMinutesLater()
      t.equal((await register(home, wanted, OTHER)).status, 201, `${about}: ten minutes later it can be taken`)
      const again = (await login(home, me.email, me.password)).body
      t.match(await confirm(home, again, token), { status: 409, body: { code: 'email_taken' } })
      await hasOneOwner(t, world, wanted, [me.password, OTHER], about)
      await hasOneOwner(t, world, me.email, [me.password], about)
    }
  })

  t.test(`a hold that has run out while its change was slow counts no more, on ${store}`, async (t) => {
    const world = await open(t, env)
    const { home } = world
    const [me, wanted] = [await home.newcomer(), newAddress()]
    const token = await tokenFor(home, me, wanted)
    let registered = 0
    beforeStep(world, 3, async () => {
      await world.tenMinutesLater()
      registered = (await register(home, wanted, OTHER)).status
    })
    t.match(await confirm(home, me, token), { status: 409, body: { code: 'email_taken' } })
    t.equal(registered, 201)
    await hasOneOwner(t, world, wanted, [me.password, OTHER], 'the address')
    await hasOneOwner(t, world, me.email, [me.password], 'the old address')
  })

  t.test(`who has read a claim as nobody’s loses to its user, who takes it up again, on ${store}`, async (t) => {
    const world = await open(t, env)
    const { home, watched } = world
    const [me, wanted] = [await home.newcomer(), newAddress()]
    const token = await tokenFor(home, me, wanted)
    dieAtStep(world, 3)
    t.equal((await confirm(home, me, token)).status, 503)
    watched.watch = null
    await world.tenMinutesLater()
    const again = (await login(home, me.email, me.password)).body
    let changed = 0
    beforeStep(world, 1, async () => void (changed = (await confirm(home, again, token)).status))
    t.equal((await register(home, wanted, OTHER)).status, 409)
    t.equal(changed, 200)
    await hasOneOwner(t, world, wanted, [me.password, OTHER], 'the address')
  })
}
