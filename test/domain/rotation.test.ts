import * as fc from 'fast-check'
import t from 'tap'
import { confirm, decideRotation, spend, spendForChange } from '../../src/domain/rotation.ts'
import type { EndReason, Session, SessionRecord } from '../../src/domain/session.ts'
import { aSession } from '../support/a-session.ts'

const GRACE = 10_000
const IDLE = 1_800_000
const ABSOLUTE = 9_000_000

/** A session opened at 0, with refresh token 1. */
const NEW: Session = Object.freeze({ ...aSession(0, { idleMs: IDLE, absoluteMs: ABSOLUTE }), counter: 1 })

/** By a clock that nobody has set. */
const at = (now: number) => ({ now, histories: [] })

type Happening = `show ${number}` | `see ${number}`
/** At this time a refresh token is shown, or an access token of a rotation seen, and this comes of it. */
type Step = readonly [at: number, happening: Happening, outcome: string]

/** A session as the store would keep it: shows it tokens, keeps what is decided, says it in a word. */
function keep(start: SessionRecord, graceMs = GRACE) {
  let record = start
  return {
    record: () => record,
    show(counter: number, now: number): string {
      const rotation = decideRotation(record, counter, at(now), graceMs)
      if (rotation.kind === 'over') return rotation.reason
      if (rotation.kind === 'superseded') return 'superseded'
      if (rotation.kind === 'reuse') record = { kind: 'ended', id: 'sid', secret: '', reason: 'token_reused' }
      else record = Object.freeze({ ...rotation.next, spentAt: Object.freeze([...rotation.next.spentAt]) })
      return rotation.kind === 'reuse' ? 'reuse' : `${rotation.kind} ${rotation.next.counter}`
    },
    see(counter: number): string {
      const next = confirm(record, counter)
      record = next ?? record
      return next === null ? 'no news' : 'news'
    },
  }
}

function tell(steps: readonly Step[], start: SessionRecord = NEW, graceMs = GRACE): Step[] {
  const session = keep(start, graceMs)
  return steps.map(([at, happening]) => {
    const [verb, counter] = happening.split(' ')
    return [at, happening, verb === 'show' ? session.show(Number(counter), at) : session.see(Number(counter))]
  })
}

const STORIES: Record<string, readonly Step[]> = {
  'the current token is answered with the next': [
    [0, 'show 1', 'rotate 2'],
    [1, 'show 2', 'rotate 3'],
  ],
  'a lost answer is given again until the idle timeout has passed since the first use, which no repeat puts off': [
    [0, 'show 1', 'rotate 2'],
    [1, 'show 1', 'repeat 2'],
    [10_000, 'show 1', 'late 2'],
    [IDLE - 1, 'show 1', 'late 2'],
    [IDLE, 'show 1', 'idle_timeout'],
  ],
  'who was answered again goes on from there': [
    [0, 'show 1', 'rotate 2'],
    [IDLE - 1, 'show 1', 'late 2'],
    [IDLE - 1, 'show 2', 'rotate 3'],
    [2 * IDLE - 2, 'show 3', 'rotate 4'],
  ],
  'one spent token, shown now and then, does not keep a session from idling out': [
    [0, 'show 1', 'rotate 2'],
    [600_000, 'show 1', 'late 2'],
    [1_200_000, 'show 1', 'late 2'],
    [1_799_999, 'show 1', 'late 2'],
    [1_800_000, 'show 2', 'idle_timeout'],
  ],
  'a client that loses its answer, and waits, at three rotations in a row goes on': [
    [0, 'show 1', 'rotate 2'],
    [60_000, 'show 1', 'late 2'],
    [120_000, 'show 2', 'rotate 3'],
    [180_000, 'show 2', 'late 3'],
    [240_000, 'show 3', 'rotate 4'],
    [300_000, 'show 3', 'late 4'],
    [360_000, 'show 4', 'rotate 5'],
    [360_001, 'show 5', 'rotate 6'],
  ],
  'two who share a token come late at every rotation, whoever is first: the fourth time ends the session': [
    [0, 'show 1', 'rotate 2'],
    [60_000, 'show 1', 'late 2'],
    [300_000, 'show 2', 'rotate 3'],
    [360_000, 'show 2', 'late 3'],
    [600_000, 'show 3', 'rotate 4'],
    [660_000, 'show 3', 'late 4'],
    [900_000, 'show 4', 'rotate 5'],
    [909_999, 'show 4', 'repeat 5'],
    [910_000, 'show 4', 'reuse'],
    [910_001, 'show 5', 'token_reused'],
  ],
  'one token that comes late again and again counts once': [
    [0, 'show 1', 'rotate 2'],
    [60_000, 'show 1', 'late 2'],
    [60_001, 'show 1', 'late 2'],
    [60_002, 'show 1', 'late 2'],
    [60_003, 'show 1', 'late 2'],
    [60_004, 'show 1', 'late 2'],
    [60_005, 'show 2', 'rotate 3'],
  ],
  'a rotation at which nobody came late ends the streak': [
    [0, 'show 1', 'rotate 2'],
    [60_000, 'show 1', 'late 2'],
    [60_001, 'show 2', 'rotate 3'],
    [120_001, 'show 2', 'late 3'],
    [120_002, 'show 3', 'rotate 4'],
    [180_002, 'show 3', 'late 4'],
    [180_003, 'show 4', 'rotate 5'],
    [180_004, 'show 4', 'repeat 5'],
    [180_005, 'show 5', 'rotate 6'],
    [240_005, 'show 5', 'late 6'],
    [240_006, 'show 6', 'rotate 7'],
  ],
  'a token whose successor has arrived is another tab until the grace ends, to the millisecond, then reuse': [
    [0, 'show 1', 'rotate 2'],
    [1, 'see 2', 'news'],
    [9_999, 'show 1', 'repeat 2'],
    [10_000, 'show 1', 'reuse'],
  ],
  'to use the successor is to have received it': [
    [0, 'show 1', 'rotate 2'],
    [1, 'show 2', 'rotate 3'],
    [9_999, 'show 1', 'repeat 3'],
    [10_000, 'show 1', 'reuse'],
  ],
  'the grace counts from the first use of the very token: neither a repeat nor a later rotation extends it': [
    [0, 'show 1', 'rotate 2'],
    [9_000, 'show 1', 'repeat 2'],
    [9_500, 'show 2', 'rotate 3'],
    [9_999, 'show 1', 'repeat 3'],
    [9_999, 'see 3', 'news'],
    [19_499, 'show 2', 'repeat 3'],
    [19_500, 'show 2', 'reuse'],
  ],
  'a clock that is set back makes no grace without end': [
    [100_000, 'show 1', 'rotate 2'],
    [100_001, 'see 2', 'news'],
    [90_001, 'show 1', 'repeat 2'],
    [90_000, 'show 1', 'reuse'],
  ],
  'three tabs that wake with tokens of three ages all get the current one': [
    [0, 'show 1', 'rotate 2'],
    [1, 'show 1', 'repeat 2'],
    [2, 'show 2', 'rotate 3'],
    [3, 'show 1', 'repeat 3'],
    [4, 'show 3', 'rotate 4'],
    [5, 'show 1', 'repeat 4'],
    [6, 'show 2', 'repeat 4'],
    [7, 'show 3', 'repeat 4'],
  ],
  'a thief who shows a spent token later ends the session for everyone, the current token included': [
    [0, 'show 1', 'rotate 2'],
    [1, 'show 2', 'rotate 3'],
    [60_000, 'show 1', 'reuse'],
    [60_001, 'show 3', 'token_reused'],
    [60_001, 'show 1', 'token_reused'],
    [60_001, 'show 9', 'token_reused'],
    [60_001, 'see 3', 'no news'],
  ],
  'an access token confirms its own rotation and no other, once': [
    [0, 'see 0', 'no news'],
    [0, 'see 2', 'no news'],
    [0, 'see 1', 'news'],
    [0, 'see 1', 'no news'],
    [1, 'show 1', 'rotate 2'],
    [2, 'see 1', 'no news'],
    [10_001, 'show 1', 'late 2'],
    [10_001, 'see 2', 'news'],
    [10_001, 'show 1', 'reuse'],
  ],
  'a counter ahead of the store is a lost write: it is accepted, and the tokens it skips have their grace from now': [
    [0, 'show 5', 'heal 6'],
    [1, 'see 6', 'news'],
    [9_999, 'show 1', 'repeat 6'],
    [9_999, 'show 4', 'repeat 6'],
    [9_999, 'show 5', 'repeat 6'],
    [10_000, 'show 4', 'reuse'],
  ],
  'the answer to a healing token may be lost too': [
    [0, 'show 3', 'heal 4'],
    [10_000, 'show 3', 'late 4'],
    [10_001, 'see 4', 'news'],
    [10_001, 'show 3', 'reuse'],
  ],
  'a heal changes nothing for tokens spent before the loss: each keeps its own grace': [
    [0, 'show 1', 'rotate 2'],
    [4_000, 'show 2', 'rotate 3'],
    [5_000, 'show 5', 'heal 6'],
    [9_999, 'show 1', 'repeat 6'],
    [13_999, 'show 2', 'repeat 6'],
    [14_999, 'show 3', 'repeat 6'],
    [14_999, 'show 4', 'repeat 6'],
    [14_999, 'see 6', 'news'],
    [14_999, 'show 1', 'reuse'],
  ],
}

t.test('stories of refresh tokens', async (t) => {
  for (const [name, story] of Object.entries(STORIES)) t.same(tell(story), story, name)
})

t.test('without a grace another tab is reuse, a lost answer is not', async (t) => {
  const lost: Step[] = [
    [0, 'show 1', 'rotate 2'],
    [0, 'show 1', 'late 2'],
    [900, 'show 1', 'late 2'],
  ]
  const tab: Step[] = [
    [0, 'show 1', 'rotate 2'],
    [0, 'see 2', 'news'],
    [0, 'show 1', 'reuse'],
  ]
  t.same(tell(lost, NEW, 0), lost)
  t.same(tell(tab, NEW, 0), tab)
})

t.test('a token of before a lost write is not kept for ever, however far ahead the counter is', async (t) => {
  const session = keep(NEW)
  t.equal(session.show(4_000_000_000, 0), 'heal 4000000001')
  t.equal(session.show(3_999_999_999, 1), 'repeat 4000000001')
  t.ok((session.record() as Session).spentAt.length < 100, 'and the record stays small')
})

t.test('the end of a session wins over grace, over lost answers and over lost writes', async (t) => {
  const reasons: EndReason[] = [
    'logged_out',
    'revoked',
    'password_changed',
    'token_reused',
    'account_deleted',
    'evicted',
  ]
  for (const reason of reasons) {
    const ended: SessionRecord = { kind: 'ended', id: 'sid', secret: 'secret', reason }
    for (const counter of [0, 1, 2, 9]) t.same(decideRotation(ended, counter, at(6), GRACE), { kind: 'over', reason })
  }
})

t.test('a session times out at whichever deadline comes first, to the millisecond', async (t) => {
  const used = (lastUsedAt: number): Session => ({ ...NEW, lastUsedAt, spentAt: [lastUsedAt - 1], counter: 2 })
  const table: [lastUsedAt: number, now: number, outcome: string][] = [
    [0, IDLE - 1, 'rotate 3'],
    [0, IDLE, 'idle_timeout'],
    [0, ABSOLUTE, 'idle_timeout'],
    [ABSOLUTE - IDLE - 1, ABSOLUTE - 1, 'idle_timeout'],
    [ABSOLUTE - IDLE, ABSOLUTE - 1, 'rotate 3'],
    [ABSOLUTE - IDLE, ABSOLUTE, 'absolute_timeout'],
    [ABSOLUTE - 1, ABSOLUTE - 1, 'rotate 3'],
    [ABSOLUTE - 1, ABSOLUTE, 'absolute_timeout'],
  ]
  for (const [lastUsedAt, now, outcome] of table) {
    t.equal(keep(used(lastUsedAt)).show(2, now), outcome, `used at ${lastUsedAt}, shown at ${now}`)
    if (outcome !== 'rotate 3')
      t.equal(keep(used(lastUsedAt)).show(1, now), outcome, 'the token before it, in its grace')
  }
})

t.test(
  'an answer is given again even when a password change, whose answer was lost as well, has spent what it held',
  async (t) => {
    const changed = () => {
      const session = keep(NEW)
      session.show(1, 0)
      return keep(spendForChange(session.record() as Session, at(1), GRACE))
    }
    const nothingArrived = changed()
    t.equal(nothingArrived.show(1, 60_000), 'late 3')
    t.equal(nothingArrived.see(3), 'news')
    t.equal(nothingArrived.show(1, 80_000), 'reuse')
    const firstArrived = changed()
    t.equal(firstArrived.show(2, 60_000), 'late 3')
    t.equal(firstArrived.show(1, 60_001), 'reuse', 'its holder has shown the next one')
  },
)

t.test('after a password change the tokens of before have no grace', async (t) => {
  const changedAt = (now: number) => {
    const session = keep(NEW)
    session.show(1, 0)
    session.see(2)
    return keep(spendForChange(session.record() as Session, at(now), GRACE)) // 2 is spent, 3 is current
  }
  const seen = changedAt(1)
  t.equal(seen.show(2, 2), 'repeat 3', 'the answer may have been lost')
  t.equal(seen.show(1, 2), 'superseded', 'a token of another tab is not asked for: the password has changed')
  t.equal(seen.see(3), 'news')
  t.equal(seen.show(2, 10_000), 'superseded', 'the new one has been seen')
  t.equal(seen.show(3, 10_000), 'rotate 4', 'and the session lives')
  t.equal(seen.show(2, 10_000), 'superseded')
  t.equal(seen.show(3, 10_001), 'repeat 4', 'the tokens after it have their grace')
  t.equal(seen.show(2, 10_001), 'reuse')
  const unseen = changedAt(1)
  t.equal(unseen.show(2, 60_000), 'late 3', 'a lost answer is found again, late')
  t.equal(unseen.show(3, 60_001), 'rotate 4')
  t.equal(unseen.show(2, 60_001), 'reuse')
})

t.test('a clock that is set ends no grace and no session, and opens no second grace', async (t) => {
  /** By every clock of ours, the shared one was set by `ms`, `ago` ms before it says `now`. */
  const setBy = (ms: number, now: number, ago: number) => {
    const history = [{ from: now - ago - ms, to: now - ago }]
    return { now, histories: [history, history] }
  }
  const HOUR = 3_600_000
  const first = decideRotation(
    { ...NEW, createdAt: HOUR, lastUsedAt: HOUR, absoluteAt: HOUR + ABSOLUTE },
    1,
    at(HOUR),
    GRACE,
  )
  const seen = confirm((first as { next: Session }).next, 2) as Session
  for (const ms of [90_000, -90_000, 2_000_000, -2_000_000]) {
    const [soon, late] = [HOUR + 5_000 + ms, HOUR + 10_000 + ms]
    t.equal(decideRotation(seen, 1, setBy(ms, soon, 1_000), GRACE).kind, 'repeat', `set by ${ms}: a second tab`)
    t.equal(decideRotation(seen, 1, setBy(ms, late, 6_000), GRACE).kind, 'reuse', `set by ${ms}: a thief`)
    t.equal(decideRotation(seen, 2, setBy(ms, HOUR + IDLE - 1 + ms, 6_000), GRACE).kind, 'rotate')
    const over = HOUR + IDLE + Math.max(ms, 0) // of before or after it was set back: that cannot be told, nor does it last
    t.match(decideRotation(seen, 2, setBy(ms, over, 6_000), GRACE), { reason: 'idle_timeout' })
    t.equal(spend(seen, setBy(ms, soon, 1_000), GRACE).spentAt.length, 2, 'its first use is not forgotten by the next')
  }
  t.equal(
    decideRotation(seen, 1, setBy(90_000, HOUR + 90_000, 95_000), GRACE).kind,
    'reuse',
    'set before the token was spent',
  )
  const twice = [
    { from: HOUR + 2_000, to: HOUR + 1_000 },
    { from: HOUR + 1_000, to: HOUR },
  ]
  const there = { now: HOUR + 5_000, histories: [twice, twice] }
  t.equal(decideRotation(seen, 1, there, GRACE).kind, 'repeat', 'set twice')
})

t.test(
  'a clock set back by more than the idle timeout ends no session that is used, for whoever has noticed and whoever has not',
  async (t) => {
    const history = [{ from: IDLE, to: -IDLE }]
    const noticed = (now: number) => ({ now, histories: [history, history] })
    const used = (decideRotation(NEW, 1, at(IDLE - 1), GRACE) as { next: Session }).next
    const soon = (decideRotation(used, 2, noticed(-IDLE + 1), GRACE) as { next: Session }).next
    t.equal(decideRotation(soon, 3, at(IDLE + 2), GRACE).kind, 'rotate', 'an instance that has not noticed yet')
    const later = (decideRotation(soon, 3, noticed(-IDLE + 5_000), GRACE) as { next: Session }).next
    t.equal(later.lastUsedAt, -IDLE + 5_000)
    t.equal(decideRotation(later, 4, noticed(4_999), GRACE).kind, 'rotate')
    t.match(decideRotation(later, 4, noticed(5_000), GRACE), { reason: 'idle_timeout' })
  },
)

t.test('a clock of our own that is set, or a machine that sleeps, gives nobody more time', async (t) => {
  const first = decideRotation(NEW, 1, at(0), GRACE) as { next: Session }
  const seen = confirm(first.next, 2) as Session
  for (const ms of [90_000, -90_000]) {
    const [soon, late] = [5_000, 95_000].map((now) => ({ now, histories: [[], [{ from: 1_000 - ms, to: 1_000 }]] }))
    if (soon && late) {
      t.equal(decideRotation(seen, 1, soon, GRACE).kind, 'repeat', `own clock set by ${ms}: a second tab`)
      t.equal(decideRotation(seen, 1, late, GRACE).kind, 'reuse', `own clock set by ${ms}: a thief`)
    }
  }
  const asleep = { now: 95_000, histories: [[{ from: 2_000, to: 92_000 }], []] }
  t.equal(decideRotation(seen, 1, asleep, GRACE).kind, 'reuse', 'the steady clock stood still')
  const inTurn = [
    { from: 1_010, to: 91_010 },
    { from: 91_000, to: 1_000 },
  ]
  const timePassed = { now: 95_000, histories: [[{ from: 1_010, to: 91_010 }], inTurn] }
  t.equal(decideRotation(seen, 1, timePassed, GRACE).kind, 'reuse', 'and the others went on one after the other')
})

t.test('no refresh extends the absolute timeout', async (t) => {
  const session = keep(NEW)
  let [now, counter] = [0, 1]
  for (; now < ABSOLUTE; now += 60_000) t.equal(session.show(counter++, now), `rotate ${counter}`)
  t.equal(session.show(counter, now), 'absolute_timeout')
})

t.test('a session remembers only the spent tokens that are inside the grace', async (t) => {
  const session = keep(NEW)
  for (let second = 0; second < 1000; second += 1) session.show(second + 1, second * 1000)
  const { spentAt, counter } = session.record() as Session
  t.same(
    spentAt,
    [990, 991, 992, 993, 994, 995, 996, 997, 998, 999].map((second) => second * 1000),
  )
  t.equal(counter, 1001)
})

/** The rules of refresh rotation, word by word, on a memory that never forgets. */
function oracle() {
  const firstUse = new Map<number, number>()
  const seen = new Set<number>()
  const late = new Set<number>()
  let [current, usedAt, end] = [1, 0, '']
  function judge(counter: number, now: number): string {
    if (now >= Math.min(usedAt + IDLE, ABSOLUTE)) end ||= usedAt + IDLE < ABSOLUTE ? 'idle_timeout' : 'absolute_timeout'
    if (end !== '') return end
    const first = firstUse.get(counter)
    const isUnconfirmed = !firstUse.has(counter + 1) && !seen.has(counter + 1)
    if (first === undefined) {
      firstUse.set(counter, now)
      usedAt = now
      return `rotate ${(current += 1)}`
    }
    if (now - first < GRACE) return `repeat ${current}`
    if (isUnconfirmed && now - first < IDLE) {
      late.add(counter)
      const isStreak = [1, 2, 3].every((back) => late.has(counter - back))
      if (!isStreak) return `late ${current}`
    }
    end = 'token_reused'
    return 'reuse'
  }
  return { current: () => current, see: (counter: number) => void seen.add(counter), show: judge }
}

const wait = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 1, 2_000, 4_999, 5_000, 9_998, 9_999, 10_000, 10_001) },
  { weight: 1, arbitrary: fc.constantFrom(60_000, 900_000, IDLE - 1, IDLE, 2_000_000) },
)
const happening = fc.record({
  wait,
  verb: fc.constantFrom('show', 'show', 'show', 'see'),
  age: fc.constantFrom(0, 0, 1, 1, 2, 3, 5),
})

t.test('whatever tabs, losses and pauses do, rotation is what its rules say', async () => {
  fc.assert(
    fc.property(fc.array(happening, { minLength: 1, maxLength: 40 }), (happenings) => {
      const [session, expected] = [keep(NEW), oracle()]
      let now = 0
      for (const { wait: ms, verb, age } of happenings) {
        now += ms
        const counter = Math.max(1, expected.current() - age)
        if (verb === 'see') {
          session.see(counter)
          expected.see(counter)
        } else {
          const [is, should] = [session.show(counter, now), expected.show(counter, now)]
          if (is !== should) throw new Error(`token ${counter} at ${now}: ${is}, should be ${should}`)
        }
      }
    }),
    { numRuns: 2000 },
  )
})
