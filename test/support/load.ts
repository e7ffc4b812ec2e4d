import { setTimeout as sleep } from 'node:timers/promises'
import type { Newcomer } from './home.ts'
import { isRefusal } from './refusals.ts'
import type { Answer } from './service.ts'
import { type Door, login, logout, refresh, type Session, verify } from './world.ts'

/** One request: when it was asked, how long it took, and the status of the answer, or what went wrong. */
export type Sample = {
  readonly at: number
  readonly ms: number
  readonly status: number | string
  readonly what: string
}

/** About `perSecond` requests over the doors, verify and refresh and a login now and then, until told to stop. */
export function load(
  doors: readonly Door[],
  people: readonly Newcomer[],
  perSecond: number,
): { stop: () => Promise<readonly Sample[]> } {
  const samples: Promise<Sample>[] = []
  const sessions = people.map((me) => ({ ...me }))
  let turn = 0
  const timer = setInterval(() => {
    turn += 1
    const at = doors[turn % doors.length] as Door
    const who = turn % 40 === 0 ? turn / 40 : turn // everybody logs in now and then
    const session = sessions[who % sessions.length] as Newcomer
    samples.push(
      turn % 40 === 0
        ? sample('login', () => login(at, session))
        : turn % 4 === 0
          ? sample('refresh', () => refreshOn(at, session))
          : sample('verify', () => verify(at, session)),
    )
  }, 1000 / perSecond)
  async function refreshOn(at: Door, session: { refresh_token: string }): Promise<Answer<any>> {
    const answer = await refresh(at, session)
    if (answer.status === 200) session.refresh_token = answer.body.refresh_token
    return answer
  }
  return {
    async stop() {
      clearInterval(timer)
      return Promise.all(samples)
    },
  }
}

/** What became of one request; a 503 that is not as the contract has it counts as something else. */
export async function sample(what: string, ask: () => Promise<Answer<any>>): Promise<Sample> {
  const at = performance.now()
  const status = await ask().then(
    (answer) => (answer.status === 503 && !isRefusal(answer) ? '503 of another form' : answer.status),
    (error: unknown) => String(error),
  )
  return { at, ms: performance.now() - at, status, what }
}

/** How often which answer was given. */
export function histogram(samples: readonly Sample[]): string {
  const counts = new Map<string, number>()
  for (const { what, status } of samples) counts.set(`${what} ${status}`, (counts.get(`${what} ${status}`) ?? 0) + 1)
  return [...counts]
    .map(([name, count]) => `${name}: ${count}`)
    .toSorted()
    .join(', ')
}

/** The samples that are neither right nor a 503. */
export function strange(samples: readonly Sample[]): readonly Sample[] {
  return samples.filter(({ status }) => ![200, 204, 503].includes(status as number)).slice(0, 5)
}

export function quantile(samples: readonly Sample[], part: number): number {
  const times = samples.map(({ ms }) => ms).toSorted((a, b) => a - b)
  return times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0
}

/** What somebody who came and went saw. */
export type Visits = {
  readonly logins: number
  readonly logouts: number
  /** Promises that were broken: a login that was lost, a token that was accepted after its logout. */
  readonly broken: readonly string[]
  /** Sessions whose logout was answered 204. */
  readonly over: readonly Session[]
  /** Sessions that were opened and left alone. */
  readonly open: readonly Session[]
}

/** Logs in through one door, asks at the next, logs out through a third, asks again, for ever; every other session is left open. */
export function comeAndGo(
  doors: readonly Door[],
  me: Pick<Newcomer, 'email' | 'password'>,
): { stop: () => Promise<Visits> } {
  const visits = { logins: 0, logouts: 0, broken: [] as string[], over: [] as Session[], open: [] as Session[] }
  const over = new AbortController()
  let turn = 0
  const at = () => doors[(turn += 1) % doors.length] as Door
  const expect = (what: string, { status }: Answer<any>, ...wanted: number[]) => {
    if (![...wanted, 503].includes(status)) visits.broken.push(`${what}: ${status}`)
    return status
  }

  async function visit(): Promise<void> {
    const session: Answer<any> = await login(at(), me)
    if (expect('login', session, 200) !== 200) return
    visits.logins += 1
    for (let look = 0; look < 2; look += 1) expect('after a login', await verify(at(), session.body), 204)
    if (visits.logins % 2 === 0 && visits.open.length < 20) return void visits.open.push(session.body)
    if (expect('logout', await logout(at(), session.body), 204) !== 204) return
    visits.logouts += 1
    visits.over.push(session.body)
    for (let look = 0; look < 3; look += 1) expect('after a logout', await verify(at(), session.body), 401)
    expect('refresh after a logout', await refresh(at(), session.body), 401)
  }

  async function walk(): Promise<void> {
    while (!over.signal.aborted) {
      await visit().catch((error: unknown) => visits.broken.push(String(error)))
      await sleep(10)
    }
  }
  const walking = walk()
  return {
    async stop() {
      over.abort()
      await walking
      return visits
    },
  }
}
