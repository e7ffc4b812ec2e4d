import t from 'tap'
import { isSettled, since } from '../../src/domain/time.ts'

const [EARLY, LATE] = [1_000_000, 4_600_000]
/** The shared clock went an hour forward, or an hour back. */
const forward = [{ from: EARLY, to: LATE }]
const back = [{ from: LATE, to: EARLY }]

t.test('how long ago something was does not change when the clock is set', async (t) => {
  const [onwards, again] = [LATE + 10_000, EARLY + 10_000]
  const table: [name: string, at: number, now: number, history: typeof back, age: number][] = [
    ['before it went forward', EARLY - 1_000, onwards, forward, 11_000],
    ['after it went forward', LATE + 1_000, onwards, forward, 9_000],
    ['by an instance that set it a moment sooner', LATE - 50, onwards, forward, 10_050],
    ['by a clock ahead of ours', onwards + 50, onwards, forward, -50],
    ['before it went back', LATE - 1_000, again, back, 11_000],
    ['after it went back, or an hour before: the shorter age counts', EARLY + 1_000, again, back, 9_000],
    ['just now', again, again, back, 0],
  ]
  for (const [name, at, now, history, age] of table)
    t.equal(since(at, { now, histories: [history, history] }), age, name)
})

t.test('where our clocks disagree about whether it was set, it was not', async (t) => {
  const now = EARLY + 10_000
  t.equal(since(LATE - 1_000, { now, histories: [[], back] }), now - (LATE - 1_000))
  t.equal(since(EARLY - 1_000, { now, histories: [back, []] }), 11_000)
})

t.test('a clock that was set is settled five seconds later, by every clock of ours', async (t) => {
  const settledAt = (now: number) => [[back], [back, []], [[], back]].map((histories) => isSettled({ now, histories }))
  t.same(settledAt(EARLY + 4_999), [false, false, false])
  t.same(settledAt(EARLY + 5_000), [true, true, true])
  t.ok(isSettled({ now: 0, histories: [[], []] }), 'one that never was set')
})
