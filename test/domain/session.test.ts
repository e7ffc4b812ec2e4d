import t from 'tap'
import { OVER_REASONS, type SessionRecord } from '../../src/domain/session.ts'
import { isLongOver, rememberedUntil, underIdentity, wasEnded, whyOver } from '../../src/domain/session.ts'
import { aSession } from '../support/a-session.ts'

const HOUR = 3_600_000
const OPENED = 1_700_000_000_000

/** Idle after an hour, over after two. */
const LIVE = { ...aSession(OPENED, { idleMs: HOUR, absoluteMs: 2 * HOUR }), store: 'this store' }
const ended = (reason: string) => ({ kind: 'ended', id: 'sid', secret: 'secret', reason }) as SessionRecord
const at = (now: number) => ({ now, histories: [] })

t.test(
  'a session of another store is over, as if it had been revoked there; one that had ended keeps its reason',
  async (t) => {
    t.equal(underIdentity(LIVE, 'this store'), LIVE)
    for (const identity of ['another store', null]) {
      t.strictSame(underIdentity(LIVE, identity), ended('revoked'))
      t.strictSame(underIdentity(ended('evicted'), identity), ended('evicted'))
    }
  },
)

t.test('a session has its times from when it was opened, whenever that was', async (t) => {
  const used = { ...LIVE, lastUsedAt: OPENED + 90 * 60_000 }
  t.same(
    [-1, 0].map((ms) => whyOver(LIVE, at(OPENED + HOUR + ms))),
    [null, 'idle_timeout'],
  )
  t.same(
    [-1, 0].map((ms) => whyOver(used, at(OPENED + 2 * HOUR + ms))),
    [null, 'absolute_timeout'],
  )
})

t.test(
  'a session that timed out is long over when its last access token is dead: its life and 10 s later',
  async (t) => {
    const dead = OPENED + HOUR + 300_000 + 10_000
    t.same(
      [dead - 1, dead].map((now) => isLongOver(LIVE, at(now), 300_000)),
      [false, true],
    )
  },
)

t.test('all but the timeouts deny the access tokens of a session', async (t) => {
  t.notOk(wasEnded(LIVE))
  t.same(
    OVER_REASONS.filter((reason) => !wasEnded(ended(reason))),
    ['idle_timeout', 'absolute_timeout'],
  )
})

t.test(
  'a session is remembered for as long as its last token could be shown, and more than a day longer',
  async (t) => {
    t.ok(rememberedUntil(LIVE) > LIVE.absoluteAt + LIVE.idleMs + 24 * HOUR)
  },
)
