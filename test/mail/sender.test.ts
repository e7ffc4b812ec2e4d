import t, { type Test } from 'tap'
import type { Deps } from '../../src/deps.ts'
import { newId } from '../../src/domain/id.ts'
import { NOTICE_MS, TAKEN_MS } from '../../src/domain/mail.ts'
import { codeOf, NO_SECRETS, type Secrets } from '../../src/domain/one-time-secret.ts'
import { keys } from '../../src/store/keys.ts'
import { put } from '../../src/store/store.ts'
import { type Home, openHome } from '../support/home.ts'
import { mailTo } from '../support/env.ts'
import { aMail, hintsOf, rowOf, write } from '../support/mails.ts'
import { startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'
import { startSmtp } from '../support/smtp.ts'

const redis = await startRedis()
t.teardown(redis.stop)
const STORES: Record<string, Record<string, string>> = { lmdb: {}, redis: { REDIS_URL: redis.url } }
const SOON = { within: 10_000 }

/** Resolves when no mail and no hint is left. */
const isQuiet = (deps: Deps) => eventually(async () => (await hintsOf(deps)).length === 0, SOON)

async function putSecrets({ store }: Deps, userId: string, nonce: string, now: number) {
  const current = { nonce, email: 'ada@example.org', locale: null, madeAt: now, askedAt: now }
  const secrets: Secrets = { ...NO_SECRETS, current }
  await store.commit({ checks: [], puts: [put(keys.secrets(userId, 'reset'), secrets, now + NOTICE_MS)], deletes: [] })
}

const resetMail = (home: Home, userId: string, nonce: string) =>
  aMail(home.clock.now, {
    userId,
    kind: 'reset-password',
    secret: { purpose: 'reset', nonce },
    expiresAt: home.clock.now + 3_600_000,
  })

for (const [name, where] of Object.entries(STORES)) {
  t.test(name, async (t) => {
    const smtp = await startSmtp()
    t.teardown(smtp.stop)
    const open = async (t: Test) => {
      await redis.cli('FLUSHALL')
      const home = await openHome({ ...where, ...mailTo(smtp.url) })
      t.teardown(home.close)
      return home
    }

    t.test('a mail of a deed is sent at once, and leaves nothing but its event', async (t) => {
      const home = await open(t)
      const began = performance.now()
      const mails = Array.from({ length: 8 }, (_, place) => aMail(home.clock.now, { to: `once-${place}@example.org` }))
      for (const mail of mails) {
        await write(home.deps, mail)
        await eventually(() => smtp.mailsTo(mail.to).length === 1, SOON)
      }
      t.ok(performance.now() - began < 6000, 'none waits for the look of every second')
      await isQuiet(home.deps)
      t.strictSame(
        await Promise.all(mails.map((mail) => rowOf(home.deps, mail))),
        mails.map(() => undefined),
      )
      t.match(
        home.events('mail.sent'),
        mails.map(({ userId }) => ({ user_id: userId, kind: 'password-changed', tries: 1 })),
      )
      t.notMatch(JSON.stringify(home.lines), /once@|example\.org/)
    })

    t.test('a mail that is sent again is the same: its Message-ID, its code and its link', async (t) => {
      const home = await open(t)
      const { user, email } = await home.newcomer()
      await putSecrets(home.deps, user.id, 'nonce-1', home.clock.now)
      const mail = { ...resetMail(home, user.id, 'nonce-1'), to: email }
      await write(home.deps, mail)
      await eventually(() => smtp.mailsTo(email).length === 1, SOON)
      await isQuiet(home.deps)
      home.clock.advance(61_000)
      await write(home.deps, mail) // as after a crash between the server's 250 and the end of the row
      await eventually(() => smtp.mailsTo(email).length === 2, SOON)
      const [first, second] = smtp.mailsTo(email)
      t.equal(first?.raw, second?.raw)
      t.match(first?.text, codeOf(home.deps.authKeys, { userId: user.id, purpose: 'reset', nonce: 'nonce-1' }))
      t.match(first?.messageId, mail.id)
    })

    t.test('a secret that is not the current one is not sent, nor one of nobody, and no one is told', async (t) => {
      const home = await open(t)
      const { user } = await home.newcomer()
      await putSecrets(home.deps, user.id, 'nonce-2', home.clock.now)
      const before = smtp.mails.length
      const nobody = newId()
      await putSecrets(home.deps, nobody, 'nonce-3', home.clock.now)
      await write(
        home.deps,
        resetMail(home, user.id, 'nonce-1'),
        resetMail(home, nobody, 'nonce-3'),
        resetMail(home, newId(), 'n'),
      )
      await isQuiet(home.deps)
      t.equal(smtp.mails.length, before)
      t.strictSame([...home.events('mail.sent'), ...home.events('mail.failed')], [])
    })

    t.test('a mail that is refused for now is tried again after 5 s, 10 s, 20 s', async (t) => {
      const home = await open(t)
      const to = 'busy@example.org'
      smtp.say(to, 451)
      const mail = aMail(home.clock.now, { to })
      await write(home.deps, mail)
      for (const [tries, pauseMs] of [
        [1, 5000],
        [2, 10_000],
        [3, 20_000],
      ] as const) {
        const notBefore = home.clock.now + pauseMs
        await eventually(async () => (await rowOf(home.deps, mail))?.notBefore === notBefore, SOON)
        t.match(await rowOf(home.deps, mail), { tries })
        home.clock.advance(pauseMs - 1)
        home.deps.sender?.wake()
        await write(home.deps, aMail(home.clock.now, { to: `after-${tries}-${name}@example.org` }))
        await eventually(() => smtp.mailsTo(`after-${tries}-${name}@example.org`).length === 1, SOON)
        t.equal(smtp.attempts(to), tries, 'not a millisecond earlier')
        if (tries === 3) smtp.say(to, null)
        home.clock.advance(1)
      }
      await eventually(() => smtp.mailsTo(to).length === 1, SOON)
      await isQuiet(home.deps)
      t.match(home.events('mail.sent').at(-1), { user_id: mail.userId, tries: 4 })
      t.match(
        home.lines.find(({ msg }) => msg === 'a mail was refused for now'),
        { cause: '451', tries: 1 },
      )
    })

    t.test('a mail is given up with an event: refused for good, or too old', async (t) => {
      const home = await open(t)
      smtp.say('gone@example.org', 550)
      smtp.say('never@example.org', 451)
      const gone = aMail(home.clock.now, { to: 'gone@example.org' })
      await write(home.deps, gone)
      await isQuiet(home.deps)
      t.match(home.events('mail.failed'), [{ user_id: gone.userId, kind: 'password-changed', tries: 1, cause: '550' }])
      t.equal(smtp.attempts('gone@example.org'), 1)

      const never = aMail(home.clock.now, { to: 'never@example.org' })
      await write(home.deps, never)
      await eventually(() => smtp.attempts('never@example.org') === 1, SOON)
      await eventually(async () => (await rowOf(home.deps, never))?.notBefore === home.clock.now + 5000, SOON)
      home.clock.advance(NOTICE_MS)
      await isQuiet(home.deps)
      t.equal(smtp.attempts('never@example.org'), 1)
      t.match(home.events('mail.failed')[1], { user_id: never.userId, tries: 2, cause: 'expired' })
      t.notMatch(JSON.stringify(home.lines), /@example/)
    })

    t.test('a mail that a crashed sender had taken is sent by another a minute later', async (t) => {
      const home = await open(t)
      const mail = aMail(home.clock.now, { to: 'crash@example.org', tries: 1, notBefore: home.clock.now + TAKEN_MS })
      await write(home.deps, mail, aMail(home.clock.now, { to: `mark-${name}@example.org` }))
      await eventually(() => smtp.mailsTo(`mark-${name}@example.org`).length === 1, SOON)
      t.strictSame(smtp.mailsTo('crash@example.org'), [])
      home.clock.advance(TAKEN_MS)
      await eventually(() => smtp.mailsTo('crash@example.org').length === 1, SOON)
    })

    t.test('a hint without a mail is forgotten after ten minutes, and not before', async (t) => {
      const home = await open(t)
      const { store } = home.deps
      const hint = { userId: newId(), mailId: newId(), at: home.clock.now }
      const key = keys.mailQueue(3)
      const queue = await store.get(key)
      await store.commit({ checks: [], puts: [put(key, [...(queue?.value ?? []), hint], null)], deletes: [] })
      home.clock.advance(600_000)
      const at = home.clock.now
      for (const to of [1, 2, 3].map((look) => `look-${look}-${name}@example.org`)) {
        await write(home.deps, aMail(at, { to }))
        await eventually(() => smtp.mailsTo(to).length === 1, SOON)
      }
      t.strictSame(
        (await hintsOf(home.deps)).filter(({ mailId }) => mailId === hint.mailId),
        [hint],
      )
      home.clock.advance(601_000)
      await isQuiet(home.deps)
    })

    t.test('a deed that loses its race sends nothing', async (t) => {
      const home = await open(t)
      const { carryOut } = await import('../../src/auth/deed.ts')
      const lost = aMail(home.clock.now, { to: 'lost@example.org' })
      const check = { key: keys.user(lost.userId), version: 'another' }
      const deed = { checks: [check], puts: [], deletes: [], events: [], mails: [lost] }
      const caller = { ip: '::1', network: '::1', userAgent: '', requestId: 'a-1' }
      t.equal(await carryOut(home.deps, deed, caller), false)
      await write(home.deps, aMail(home.clock.now, { to: `won-${name}@example.org` }))
      await eventually(() => smtp.mailsTo(`won-${name}@example.org`).length === 1, SOON)
      t.equal(smtp.attempts('lost@example.org'), 0)
    })
  })
}
