import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { readMailUrl } from '../../src/config/mail-url.ts'
import { newId } from '../../src/domain/id.ts'
import { TAKEN_MS } from '../../src/domain/mail.ts'
import { openSender } from '../../src/mail/sender.ts'
import { openTemplates } from '../../src/mail/templates.ts'
import { openTransport } from '../../src/mail/transport.ts'
import { makeWords } from '../../src/mail/words.ts'
import { type Home, openHome } from '../support/home.ts'
import { mailTo } from '../support/env.ts'
import { aMail, hintsOf, rowOf, write } from '../support/mails.ts'
import { startProxy } from '../support/proxy.ts'
import { startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'
import { type Smtp, startSmtp } from '../support/smtp.ts'

const redis = await startRedis()
t.teardown(redis.stop)
const STORES: Record<string, Record<string, string>> = { lmdb: {}, redis: { REDIS_URL: redis.url } }
const SOON = { within: 15_000 }
const LATER = { within: 120_000 }

async function open(t: Test, where: Record<string, string> = {}) {
  await redis.cli('FLUSHALL')
  const smtp = await startSmtp()
  t.teardown(smtp.stop)
  const home = await openHome({ ...where, ...mailTo(smtp.url) })
  t.teardown(home.close)
  return { smtp, home }
}

/** One more sender on the store of that home. */
function another(t: Test, { deps }: Home, smtp: Smtp): void {
  const { config, authKeys } = deps
  const place = readMailUrl(smtp.url)
  if (!place || !config.MAIL_FROM) throw new Error('no mail here')
  const sender = openSender({
    ...deps,
    transport: openTransport(place, config.MAIL_FROM),
    wordsOf: makeWords(config, authKeys, openTemplates(config)),
    onRefusal: () => {},
  })
  t.teardown(sender.stop)
}

/** So many mails to addresses that begin with the name, of a few users. */
function many(home: Home, count: number, name: string) {
  const users = Array.from({ length: 10 }, newId)
  return Array.from({ length: count }, (_, place) =>
    aMail(home.clock.now, { userId: users[place % 10] ?? '', to: `${name}-${place}@example.org` }),
  )
}

for (const [name, where] of Object.entries(STORES)) {
  t.test(`three senders on one store (${name}) send each of 300 mails once`, async (t) => {
    const { smtp, home } = await open(t, where)
    another(t, home, smtp)
    another(t, home, smtp)
    await write(home.deps, ...many(home, 300, 'each'))
    await eventually(async () => (await hintsOf(home.deps)).length === 0, LATER)
    home.clock.advance(TAKEN_MS)
    await write(home.deps, aMail(home.clock.now, { to: 'last@example.org' }))
    await eventually(() => smtp.mailsTo('last@example.org').length === 1, SOON)
    t.equal(smtp.mails.length, 301)
    t.equal(new Set(smtp.mails.map(({ messageId }) => messageId)).size, 301)
    await eventually(() => home.events('mail.sent').length === 301, { within: 10_000 })
  })
}

t.test('a thousand mails that pile up while the server is away all arrive when it is back', async (t) => {
  const { smtp, home } = await open(t, { REDIS_URL: redis.url })
  await smtp.away()
  const mails = many(home, 1000, 'pile')
  await write(home.deps, ...mails)
  const isTried = () => home.lines.filter(({ msg }) => msg === 'a mail was refused for now').length === 1000
  await eventually(isTried, LATER)
  t.equal((await hintsOf(home.deps)).length, 1000)
  await smtp.back()
  await eventually(async () => {
    home.clock.advance(1000)
    return (await hintsOf(home.deps)).length === 0
  }, LATER)
  t.equal(new Set(smtp.mails.map(({ recipient }) => recipient)).size, 1000)
  t.equal(smtp.mails.length, 1000)
  t.strictSame(home.events('mail.failed'), [])
})

t.test(
  'one address that is refused for ever, one that is not there and one that hangs hold up nobody else',
  async (t) => {
    const { smtp, home } = await open(t)
    smtp.say('busy@example.org', 451)
    smtp.say('gone@example.org', 550)
    smtp.say('hole@example.org', 'hang')
    const bad = ['busy', 'gone', 'hole'].map((who) => aMail(home.clock.now, { to: `${who}@example.org` }))
    await write(home.deps, ...bad)
    await eventually(() => smtp.attempts('hole@example.org') === 1, SOON)
    await write(home.deps, ...many(home, 30, 'good'))
    await eventually(() => smtp.mails.length === 30, SOON)
    t.notOk(
      home.lines.some(({ cause }) => cause === 'ETIMEDOUT'),
      'before the one that hangs is given back',
    )
    await eventually(async () => (await hintsOf(home.deps)).length === 2, SOON)
    t.match(home.events('mail.failed'), [{ cause: '550' }])
    await eventually(() => home.lines.some(({ cause }) => cause === 'ETIMEDOUT'), SOON)
  },
)

t.test('a sender that is stopped lets the mails in flight arrive, eight at most, and takes no other', async (t) => {
  const { smtp, home } = await open(t)
  smtp.hold()
  const mails = many(home, 12, 'flying')
  await write(home.deps, ...mails)
  const inFlight = () => mails.filter(({ to }) => smtp.attempts(to) === 1)
  await eventually(() => inFlight().length === 8, SOON)
  const stopped = home.deps.sender?.stop()
  const late = aMail(home.clock.now, { to: 'late@example.org' })
  await write(home.deps, late)
  t.not(await rowOf(home.deps, inFlight()[0] ?? late), undefined, 'what is in flight has not arrived')
  smtp.release()
  await stopped
  t.equal(smtp.mails.length, 8)
  t.equal(inFlight().length, 8)
  const rest = [...mails, late].filter(({ to }) => smtp.attempts(to) === 0)
  t.strictSame((await hintsOf(home.deps)).map(({ mailId }) => mailId).toSorted(), rest.map(({ id }) => id).toSorted())
  for (const mail of rest) t.strictSame(await rowOf(home.deps, mail), mail, 'it is as it was')
})

t.test('a mail that takes so long that another sender takes it, too, is lost by neither', async (t) => {
  const { smtp, home } = await open(t)
  const mail = aMail(home.clock.now, { to: 'slow@example.org' })
  smtp.hold()
  await write(home.deps, mail)
  await eventually(() => smtp.attempts(mail.to) === 1, SOON)
  smtp.say(mail.to, 451)
  another(t, home, smtp)
  home.clock.advance(TAKEN_MS)
  await eventually(async () => (await rowOf(home.deps, mail))?.notBefore === home.clock.now + 10_000, SOON)
  smtp.release()
  await eventually(() => smtp.mails.length === 1, SOON)
  smtp.say(mail.to, null)
  for (const to of [1, 2, 3].map((look) => `look-${look}@example.org`)) {
    await write(home.deps, aMail(home.clock.now, { to }))
    await eventually(() => smtp.mailsTo(to).length === 1, SOON)
  }
  home.clock.advance(10_000)
  await eventually(() => smtp.mailsTo(mail.to).length === 2, SOON)
  await eventually(async () => (await hintsOf(home.deps)).length === 0, SOON)
  t.equal(new Set(smtp.mailsTo(mail.to).map(({ messageId }) => messageId)).size, 1)
  t.match(home.events('mail.sent').at(-1), { user_id: mail.userId, tries: 3 })
})

t.test('a server that says something every second without end holds a stop for six seconds at most', async (t) => {
  let talks = 0
  const server = createServer((socket) => {
    const talk = setInterval(() => socket.write('250-more\r\n'), 1000)
    socket.on('error', () => {}).on('close', () => clearInterval(talk))
    socket.write('220 here\r\n')
    socket.once('data', () => (talks += 1))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const home = await openHome(mailTo(`smtp://127.0.0.1:${(server.address() as AddressInfo).port}`))
  t.teardown(home.close)
  await write(home.deps, aMail(home.clock.now))
  await eventually(() => talks === 1, SOON)
  const began = performance.now()
  await home.deps.sender?.stop()
  await home.deps.sender?.stop()
  const took = performance.now() - began
  t.ok(took > 5900 && took < 9000, 'however often it is asked to stop', { took })
})

t.test('a store that goes away under a mail in flight: it is not sent again, and nothing is lost', async (t) => {
  await redis.cli('FLUSHALL')
  const [smtp, proxy] = [await startSmtp(), await startProxy(redis.port)]
  t.teardown(() => Promise.all([smtp.stop(), proxy.stop()]))
  const home = await openHome({ REDIS_URL: redis.url.replace(/:\d+/, `:${proxy.port}`), ...mailTo(smtp.url) })
  const writer = await openHome({ REDIS_URL: redis.url })
  t.teardown(() => Promise.all([home.close(), writer.close()]))

  smtp.hold()
  const flying = aMail(home.clock.now, { to: 'flying@example.org' })
  await write(writer.deps, flying)
  await eventually(() => smtp.attempts('flying@example.org') === 1, SOON)
  await proxy.cut()
  smtp.release()
  await eventually(() => smtp.mailsTo('flying@example.org').length === 1, SOON)
  await write(writer.deps, aMail(home.clock.now, { to: 'waiting@example.org' }))
  await proxy.pass()
  await eventually(async () => (await rowOf(writer.deps, flying)) === undefined, SOON)
  home.clock.advance(TAKEN_MS)
  await eventually(() => smtp.mailsTo('waiting@example.org').length === 1, SOON)
  await eventually(async () => (await hintsOf(writer.deps)).length === 0, SOON)
  t.equal(smtp.mailsTo('flying@example.org').length, 1)
  t.equal(home.events('mail.sent').length, 2)
})
