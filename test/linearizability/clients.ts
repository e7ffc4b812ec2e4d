import { setTimeout as sleep } from 'node:timers/promises'
import { type History, isDone, isForbidden, isInDoubt, isRefused, type Operation } from './history.ts'
import { type Access, makePool, type Place, type Session, type User } from './pool.ts'
import { makeRandom, type Random } from './random.ts'
import { type Mailed, makeRequests, type Places } from './requests.ts'
import { eventually } from '../support/settle.ts'

/** The clients of one run. */
export type Clients = {
  /** All of them at work until the signal; resolves when the last one has its answer. */
  readonly work: (signal: AbortSignal) => Promise<void>
  /** After healing: every session that nobody has left refreshes, every token is verified at each of `urls` and at the service; rejects if one of them still cannot know. */
  readonly lastRound: (urls: readonly string[]) => Promise<void>
}

const CLIENTS = 32
const PLACES = 50
const USERS = 12
const THINK_MS = [20, 150] as const
/** Copies that are tried again and again: the newest ones. */
const RECENT = 60
/** With fewer recovery codes left somebody asks for new ones. */
const FEW = 5

/** The share of each kind of work, in tenths of a percent; the rest is verification. */
const SHARES = {
  refresh: 180,
  logout: 12,
  revoke: 4,
  revokeAll: 2,
  changePassword: 2,
  resetPassword: 4,
  stolen: 10,
  moveRole: 10,
  disable: 4,
  remove: 2,
  verifyRole: 60,
  stepUp: 15,
}

/** Registers the users. What each client chooses to do, the seed repeats. */
export async function makeClients(places: Places, history: History, seed: number, mailed: Mailed): Promise<Clients> {
  const pool = makePool(PLACES, USERS)
  const requests = makeRequests(places, history, pool, mailed)
  const register = (user: User) => eventually(async () => isDone(await requests.register(user)), { within: 30_000 })
  await inTurn(pool.users, register)

  async function turn(random: Random): Promise<void> {
    const place = random.pick(pool.places)
    if (place?.isBusy === false && place.session === null) await fill(place, random)
    else if (place?.session) await use(place.session, random)
  }

  async function use(session: Session, random: Random): Promise<void> {
    let draw = random.between(0, 1000)
    const falls = (share: number) => (draw -= share) < 0
    if (falls(SHARES.refresh)) await refreshTogether(session, random)
    else if (falls(SHARES.logout)) await end(session, () => requests.logout(session))
    else if (falls(SHARES.revoke)) await revokeAnother(session, random)
    else if (falls(SHARES.revokeAll)) await probeAfter(session.access, await requests.revokeAll(session))
    else if (falls(SHARES.changePassword)) await changePassword(session)
    else if (falls(SHARES.resetPassword)) await resetPassword(session)
    else if (falls(SHARES.stolen)) await showStolen(random)
    else if (falls(SHARES.moveRole)) await moveRole(session, random)
    else if (falls(SHARES.disable)) await disableForAWhile(session, random)
    else if (falls(SHARES.remove)) await remove(session)
    else if (falls(SHARES.verifyRole)) await refreshIfRefused(session, await requests.verifyRole(session.access))
    else if (falls(SHARES.stepUp)) await stepUp(session, random)
    else await verifyOne(session, random)
  }

  /** Now and then two tabs refresh at once. */
  async function refreshTogether(session: Session, random: Random): Promise<void> {
    const tabs = random.chance(0.3) ? [1, 2] : [1]
    await Promise.all(tabs.map(() => requests.refresh(session)))
  }

  async function verifyOne(session: Session, random: Random): Promise<void> {
    const copy = random.pick(pool.copies.slice(-RECENT))
    const verify = random.chance(0.5) ? requests.verify : requests.verifyAtService
    if (copy && random.chance(0.4)) await verify(copy)
    else await refreshIfRefused(session, await verify(session.access))
  }

  async function refreshIfRefused(session: Session, operation: Operation): Promise<void> {
    if (isRefused(operation)) await requests.refresh(session)
  }

  /** It is in use while it is ended. */
  async function end(session: Session, ask: () => Promise<Operation>): Promise<void> {
    const [operation] = await Promise.all([ask(), verifyAround(session.access)])
    await probeAfter(session.access, operation)
    if (!isInDoubt(operation) && !isRefused(operation)) pool.leave(session)
  }

  async function revokeAnother(session: Session, random: Random): Promise<void> {
    const others = pool.places
      .map((place) => place.session)
      .filter((other) => other?.user === session.user && other !== session)
    const other = random.pick(others)
    if (other) await end(other, () => requests.revoke(session, other))
  }

  async function changePassword(session: Session): Promise<void> {
    const { user, access } = session
    if (user.isChanging) return
    user.isChanging = true
    const operation = await requests.changePassword(session)
    user.isChanging = false
    await probeAfter(access, operation)
    if (isInDoubt(operation)) await requests.refresh(session)
  }

  async function resetPassword({ user, access }: Session): Promise<void> {
    // A reset removes the factors of an address that was never verified.
    if (user.isChanging || user.hasApp) return
    user.isChanging = true
    const operation = await requests.resetPassword(user)
    user.isChanging = false
    if (operation) await probeAfter(access, operation)
  }

  /** Its token is in use while the role comes or goes. */
  async function moveRole({ user, access }: Session, random: Random): Promise<void> {
    const kind = random.chance(0.5) ? 'give-role' : 'take-role'
    const [operation] = await Promise.all([requests.operate(kind, user), verifyAround(access)])
    await probeAfter(access, operation)
    if (isDone(operation)) await requests.verifyRole(access)
  }

  /** While nobody is let in, everybody tries: by the token, by the session, by the password. */
  async function disableForAWhile(session: Session, random: Random): Promise<void> {
    const { user, access } = session
    if (user.isChanging) return
    user.isChanging = true
    const operation = await requests.operate('disable', user)
    const own = pool.places.find((place) => place.user === user && place.session === null && !place.isBusy)
    await Promise.all([probeAfter(access, operation), requests.refresh(session), own && fill(own, random)])
    await sleep(random.between(...THINK_MS))
    await requests.operate('enable', user)
    user.isChanging = false
  }

  /** Its user registers anew, by another address. */
  async function remove({ user, access }: Session): Promise<void> {
    if (user.isChanging) return
    user.isChanging = true
    const operation = await requests.operate('remove', user)
    await probeAfter(access, operation)
    await register(user)
    user.isChanging = false
  }

  async function fill(place: Place, random: Random): Promise<void> {
    place.isBusy = true
    const operation = await (place.user.hasApp ? logInByTwoSteps(place, random) : requests.login(place))
    place.isBusy = false
    // A disabling in doubt has come after all.
    if (isForbidden(operation) && !place.user.isChanging) await requests.operate('enable', place.user)
  }

  /** Now and then the same is sent twice at once, or by the same code another challenge is answered, or another session steps up. */
  async function logInByTwoSteps(place: Place, random: Random): Promise<Operation> {
    const { user } = place
    const { operation, challenge } = await requests.firstStep(user)
    const code = user.codes?.take(random)
    if (challenge === null || code === undefined) return operation
    const other = random.chance(0.2) ? (await requests.firstStep(user)).challenge : null
    const twin = random.chance(0.2) ? challenge : other
    const rival = random.chance(0.1) ? pool.places.find(({ session }) => session?.user === user)?.session : null
    const [session, another] = await Promise.all([
      requests.secondStep(user, challenge, code),
      twin && requests.secondStep(user, twin, code),
      rival && requests.stepUp(rival, code),
    ])
    place.session = session ?? another
    if (place.session && (user.codes?.left() ?? 0) < FEW) await requests.renewCodes(place.session)
    return operation
  }

  /** Now and then two sessions by one code. */
  async function stepUp(session: Session, random: Random): Promise<void> {
    const { user } = session
    if (user.codes === null) return
    const code = user.codes.take(random)
    const other = random.chance(0.3) ? pool.places.find((place) => place.session?.user === user)?.session : null
    await Promise.all([requests.stepUp(session, code), other && requests.stepUp(other, code)])
  }

  /** A thief shows the refresh token of a session that was left. */
  async function showStolen(random: Random): Promise<void> {
    const session = random.pick(pool.left)
    if (session) await requests.refresh(session)
  }

  /** Right after a revocation has been answered every instance is asked. */
  async function probeAfter(access: Access, operation: Operation): Promise<void> {
    if (isDone(operation)) await verifyAround(access)
  }

  /** Each time by another instance, as the balancer goes round; and by the service. */
  async function verifyAround(access: Access): Promise<void> {
    await Promise.all([...[1, 2, 3].map(() => requests.verify(access)), requests.verifyAtService(access)])
  }

  async function client(number: number, signal: AbortSignal): Promise<void> {
    const random = makeRandom(seed, number)
    while (!signal.aborted) {
      await turn(random)
      await sleep(random.between(...THINK_MS))
    }
  }

  return {
    async work(signal) {
      await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number + 1, signal)))
    },
    async lastRound(urls) {
      const sessions = pool.places.map(({ session }) => session).filter((session) => session !== null)
      await inTurn(sessions, (session) => known(() => requests.refresh(session)))
      const tokens = [...sessions.map(({ access }) => access), ...pool.copies]
      await inTurn(tokens, (access) => Promise.all(urls.map((at) => known(() => requests.verify(access, at)))))
      await inTurn(tokens, (access) => known(() => requests.verifyAtService(access)))
    },
  }
}

/** Eight at a time. */
async function inTurn<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = items.values()
  const worker = async () => {
    for (const item of left) await work(item)
  }
  await Promise.all(Array.from({ length: 8 }, worker))
}

function known(ask: () => Promise<Operation>): Promise<Operation> {
  return eventually(
    async () => {
      const operation = await ask()
      return !isInDoubt(operation) && operation
    },
    { within: 30_000 },
  )
}
