import t from 'tap'
import type { Session, SessionRecord } from '../../src/domain/session.ts'
import type { User } from '../../src/domain/user.ts'
import { keys } from '../../src/store/keys.ts'
import { complete, shorten } from '../../src/store/shapes.ts'
import { openHome } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'
import { aSession } from '../support/a-session.ts'

const fresh: Session = { ...aSession(1000, { idleMs: 30, absoluteMs: 1000 }), id: 'a-session', userId: 'a-user' }
const busy: Session = {
  ...fresh,
  transport: 'cookie',
  remember: true,
  amr: ['pwd', 'otp'],
  authAt: 1150,
  counter: 9,
  held: 8,
  spentAt: [1100, 1200],
  late: { counter: 7, streak: 1 },
  changedFrom: 3,
  lastUsedAt: 1200,
}
const sessions: Record<string, SessionRecord> = {
  'a session nobody has used yet': fresh,
  'one in use': busy,
  'one used when the clock had been set back': { ...busy, lastUsedAt: 1300 },
  'one that has ended': { kind: 'ended', id: 'a-session', secret: 'a-secret', reason: 'logged_out' },
}

const newcomer: User = {
  id: 'a-user',
  email: 'ada@example.org',
  emailKey: 'ada@example.org',
  emailVerified: false,
  roles: [],
  app: {},
  passwordHash: 'a-hash',
  createdAt: 1000,
  generation: 0,
  sessions: [],
  knownAddresses: [],
}
const users: Record<string, User> = {
  'a newcomer': newcomer,
  'somebody who has been here for long': {
    ...newcomer,
    emailKey: 'ada@xn--bcher-kva.example',
    generation: 3,
    sessions: ['a-session'],
    knownAddresses: [{ address: '192.0.2.1', seenAt: 1200 }],
  },
}

/** The value as a store gives it back that keeps JSON. */
const stored = (key: string, value: unknown) => complete(key, JSON.parse(JSON.stringify(shorten(key, value))))

for (const [name, session] of Object.entries(sessions)) {
  t.test(`${name} comes back from the store as it was`, async (t) => {
    t.same(stored(keys.session('a-user', 'a-session'), session), session)
  })
}

for (const [name, user] of Object.entries(users)) {
  t.test(`${name} comes back from the store as they were`, async (t) => {
    t.same(stored(keys.user('a-user'), user), user)
  })
}

t.test('a value under any other key is written as it is', async (t) => {
  const value = { id: 'a-session', counter: 0, spentAt: [] }
  for (const key of [keys.sessionData('a-user', 'a-session'), keys.preferences('a-user'), keys.email('ada')]) {
    t.same(shorten(key, value), value, key)
    t.same(complete(key, value), value, key)
  }
})

t.test('a user and a session in use take less than 800 bytes of a Redis', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const home = await openHome({ REDIS_URL: redis.url })
  t.teardown(home.close)
  const { user, session_id, refresh_token } = await home.newcomer()
  const { status } = await home.call('POST', '/v1/refresh', { body: { refresh_token } })
  t.equal(status, 200)
  const places = [keys.user(user.id), keys.session(user.id, session_id)]
  const bytes = await Promise.all(places.map(async (key) => Number(await redis.cli('MEMORY', 'USAGE', key))))
  t.ok((bytes[0] ?? NaN) + (bytes[1] ?? NaN) < 800, bytes.join(' + '))
})
