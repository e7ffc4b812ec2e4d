import t from 'tap'
import { confirm, decideRotation, spendForChange } from '../../src/domain/rotation.ts'
import type { Session } from '../../src/domain/session.ts'
import { aSession } from '../support/a-session.ts'

const GRACE = 10_000
const IDLE = 1_800_000

/** A session opened at 0, with refresh token 1. */
const NEW: Session = { ...aSession(0, { idleMs: IDLE, absoluteMs: 5 * IDLE }), counter: 1 }

/** By a clock that nobody has set. */
const at = (now: number) => ({ now, histories: [] })
const show = (session: Session, counter: number, now: number) => decideRotation(session, counter, at(now), GRACE)
const changed = (session: Session, now: number) => spendForChange(session, at(now), GRACE)

/** The session after the token was shown and accepted. */
function after(session: Session, counter: number, now: number): Session {
  const rotation = show(session, counter, now)
  if (!('next' in rotation)) throw new Error(`token ${counter} at ${now}: ${rotation.kind}`)
  return rotation.next
}

t.test('two who share a token are found out, however often each comes late with the same one', async (t) => {
  let session = NEW
  for (const counter of [1, 2, 3]) {
    const now = counter * 300_000
    session = after(session, counter, now)
    for (const late of [60_000, 60_001, 120_000]) session = after(session, counter, now + late)
  }
  session = after(session, 4, 1_200_000)
  t.equal(show(session, 4, 1_260_000).kind, 'reuse')
})

t.test(
  'a lost answer is given for the idle timeout from the first use, even if a password change has put the session’s off',
  async (t) => {
    const session = changed(after(NEW, 1, 0), IDLE - 1)
    t.equal(show(session, 1, IDLE - 1).kind, 'late')
    t.equal(show(session, 1, IDLE).kind, 'reuse')
    t.equal(show(session, 3, IDLE).kind, 'rotate', 'the session itself goes on')
  },
)

t.test('the first token after a password change has its grace like any other', async (t) => {
  const session = after(after(changed(NEW, 0), 2, 1), 3, 2) // 1 was spent by the change, then 2 and 3
  t.equal(show(session, 1, 3).kind, 'superseded')
  t.match(show(session, 2, 3), { kind: 'repeat', next: { counter: 4 } })
})

t.test(
  'a session remembers when a token was spent while its client may still need the answer, and no longer',
  async (t) => {
    const [first, second] = [after(NEW, 1, 0), after(after(NEW, 1, 0), 2, 5_000)]
    t.same(after(first, 2, 60_000).spentAt, [60_000], 'it has come for the next one')
    t.same(changed(first, 60_000).spentAt, [0, 60_000], 'it has shown nothing since')
    t.same(changed(second, 60_000).spentAt, [5_000, 60_000])
  },
)

t.test('a repeat that tells nothing new leaves the session as it is, so that nothing is written', async (t) => {
  const once = after(NEW, 1, 0)
  t.equal(after(once, 1, 1), once, 'the answer was lost')
  const seen = confirm(once, 2) as Session
  t.equal(after(seen, 1, 1), seen, 'another tab')
  const late = after(once, 1, 60_000)
  t.equal(after(late, 1, 60_001), late, 'late, once more')
})

t.test('a record stays small where the store loses one rotation after another', async (t) => {
  let session = NEW
  for (let loss = 1; loss <= 20; loss += 1) session = after(session, loss * 100, loss)
  t.ok(session.spentAt.length <= 65, `${session.spentAt.length}`)
})
