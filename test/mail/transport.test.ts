import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import PostalMime from 'postal-mime'
import t from 'tap'
import { type MailPlace, readMailUrl } from '../../src/config/mail-url.ts'
import { openTransport } from '../../src/mail/transport.ts'
import { aMail } from '../support/mails.ts'
import { ENCRYPTED, startSmtp } from '../support/smtp.ts'

const FROM = { name: '우리 가게', address: 'no-reply@mail.example.org' }
const WORDS = { subject: 'Your password — 비밀번호', text: 'Hello,\n\n.\nA line that begins with a dot, and 한글.\n' }
const AT = Date.UTC(2026, 10, 27, 15, 31, 12)

const open = (url: string, change: Partial<MailPlace> = {}, from = FROM) =>
  openTransport({ ...readMailUrl(url), ...change } as MailPlace, from)
const refused = (forGood: boolean, cause: string) => ({ kind: 'refused', forGood, cause })

t.test('a mail arrives with its words, from whom it is, and the same Message-ID and date each time', async (t) => {
  const smtp = await startSmtp()
  t.teardown(smtp.stop)
  const mail = aMail(AT, { id: 'the-id-of-the-mail' })
  for (let sent = 0; sent < 2; sent += 1) t.strictSame(await open(smtp.url)(mail, WORDS), { kind: 'sent' })
  t.equal(smtp.mails.length, 2)
  for (const { from, to, subject, text, messageId, date, headers, html, attachments } of smtp.mails) {
    t.match({ from, to }, { from: FROM, to: [{ name: '', address: 'ada@example.org' }] })
    t.strictSame({ subject, text }, WORDS)
    t.equal(messageId, '<the-id-of-the-mail@mail.example.org>')
    t.equal(Date.parse(date ?? ''), AT)
    t.equal(headers.find(({ key }) => key === 'auto-submitted')?.value, 'auto-generated')
    t.notMatch(JSON.stringify(headers), /x-mailer|nodemailer/i)
    t.strictSame([html, attachments], [undefined, []], 'it is text and nothing else')
  }
})

t.test('nothing in a name, an address or a subject becomes a header or a recipient of its own', async (t) => {
  const smtp = await startSmtp()
  t.teardown(smtp.stop)
  const evil = 'x\r\nBcc: victim@example.org\r\n\r\nbody'
  const from = { name: evil, address: FROM.address }
  t.strictSame(await open(smtp.url, {}, from)(aMail(AT), { subject: evil, text: 'a' }), { kind: 'sent' })
  t.match(await open(smtp.url)(aMail(AT, { to: `ada@example.org\r\nRCPT TO:<victim@example.org>` }), WORDS), {})
  t.match(await open(smtp.url)(aMail(AT, { to: 'ada@example.org, victim@example.org' }), WORDS), {})
  t.equal(smtp.mails[0]?.headers.filter(({ key }) => key === 'bcc').length, 0)
  t.equal(smtp.mails[0]?.text?.trim(), 'a')
  t.equal(smtp.attempts('victim@example.org'), 0)
})

t.test('a Korean address arrives by SMTPUTF8; a server that cannot take it is not asked for ever', async (t) => {
  const [smtp, old] = [await startSmtp(), await startSmtp({ hideSMTPUTF8: true })]
  t.teardown(() => Promise.all([smtp.stop(), old.stop()]))
  const to = '한글@예시.한국'
  old.say(to, 550)
  t.strictSame(await open(smtp.url)(aMail(AT, { to }), WORDS), { kind: 'sent' })
  t.equal(smtp.mails[0]?.recipient, to)
  t.equal(smtp.mails[0]?.to?.[0]?.address, to)
  t.strictSame(await open(old.url)(aMail(AT, { to }), WORDS), refused(true, '550'))
  t.strictSame(old.mails, [])
})

t.test('what the server says of the recipient is for good from 500 on; what is ours or passes is not', async (t) => {
  const smtp = await startSmtp()
  t.teardown(smtp.stop)
  const send = open(smtp.url)
  smtp.say('busy@example.org', 451)
  smtp.say('gone@example.org', 550)
  t.strictSame(await send(aMail(AT, { to: 'busy@example.org' }), WORDS), refused(false, '451'))
  smtp.say('login@example.org', 530)
  t.strictSame(await send(aMail(AT, { to: 'gone@example.org' }), WORDS), refused(true, '550'))
  t.strictSame(await send(aMail(AT, { to: 'login@example.org' }), WORDS), refused(false, '530'), 'it wants a login')

  const full = await startSmtp({
    onData: (stream, _session, callback) =>
      stream.resume().on('end', () => callback(Object.assign(new Error('spam'), { responseCode: 554 }))),
  })
  const closed = await startSmtp({ authOptional: false, allowInsecureAuth: true })
  const picky = await startSmtp({
    onMailFrom: (_address, _session, callback) => callback(Object.assign(new Error('who'), { responseCode: 553 })),
  })
  const wrong = await startSmtp({
    ...ENCRYPTED,
    onAuth: (_auth, _session, callback) => callback(new Error('wrong password of ada')),
  })
  t.teardown(() => Promise.all([full.stop(), closed.stop(), picky.stop(), wrong.stop()]))
  t.strictSame(await open(full.url)(aMail(AT), WORDS), refused(true, '554'), 'the message')
  t.strictSame(await open(closed.url)(aMail(AT), WORDS), refused(false, '530'), 'it wants a login')
  t.strictSame(await open(picky.url)(aMail(AT), WORDS), refused(false, '553'), 'our MAIL_FROM')
  t.strictSame(await open(wrong.url.replace('//', '//ada:x@'))(aMail(AT), WORDS), refused(false, 'EAUTH'), 'our login')
  t.strictSame([...full.mails, ...closed.mails, ...picky.mails, ...wrong.mails], [])
})

t.test('a server that is away or silent costs five seconds, and no more than a cause of the refusal', async (t) => {
  const silent = createServer(() => {})
  await once(silent.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => silent.close())
  const { port } = silent.address() as { port: number }
  const smtp = await startSmtp()
  smtp.say('hole@example.org', 'hang')
  t.teardown(smtp.stop)
  const gone = await startSmtp()
  await gone.stop()

  const began = performance.now()
  const [greets, hangs, refuses, unknown] = await Promise.all([
    open(`smtp://127.0.0.1:${port}`)(aMail(AT), WORDS),
    open(smtp.url)(aMail(AT, { to: 'hole@example.org' }), WORDS),
    open(gone.url)(aMail(AT), WORDS),
    open('smtp://nowhere.invalid')(aMail(AT), WORDS),
  ])
  t.ok(performance.now() - began < 12_000)
  t.strictSame([greets, hangs], [refused(false, 'ETIMEDOUT'), refused(false, 'ETIMEDOUT')])
  for (const outcome of [refuses, unknown]) t.match(outcome, { kind: 'refused', forGood: false, cause: /^E[A-Z]+$/ })
})

t.test('STARTTLS that somebody has stripped: nothing is sent, and nobody sees the password', async (t) => {
  const stripped = await startSmtp({ disabledCommands: ['STARTTLS'], allowInsecureAuth: true })
  t.teardown(stripped.stop)
  const demanded = { ...readMailUrl('smtp://ada:hunter2@mail.example.org'), host: '127.0.0.1', port: stripped.port }
  t.strictSame(await openTransport(demanded as MailPlace, FROM)(aMail(AT), WORDS), refused(false, 'ETLS'))
  t.strictSame([stripped.mails, stripped.logins, stripped.attempts('ada@example.org')], [[], [], 0])
  const loopback = open(stripped.url.replace('//', '//ada:hunter2@'))
  t.strictSame(await loopback(aMail(AT), WORDS), { kind: 'sent' }, 'a server on this machine may do without')
  t.strictSame(stripped.logins, [{ user: 'ada', wasEncrypted: false }])
})

t.test('a server whose certificate nobody vouches for gets nothing, unless it is on this machine', async (t) => {
  const [starts, immediate] = [await startSmtp(ENCRYPTED), await startSmtp({ secure: true })]
  t.teardown(() => Promise.all([starts.stop(), immediate.stop()]))
  const login = { user: 'ada', password: 'hunter2' }
  t.match(await open(starts.url, { tls: 'demanded', login })(aMail(AT), WORDS), {
    kind: 'refused',
    forGood: false,
  })
  t.match(await open(immediate.url, { login })(aMail(AT), WORDS), { kind: 'refused', forGood: false })
  t.strictSame([starts.mails, starts.logins, immediate.mails, immediate.logins], [[], [], [], []])
  t.strictSame(await open(starts.url, { login })(aMail(AT), WORDS), { kind: 'sent' })
  t.strictSame(starts.logins, [{ user: 'ada', wasEncrypted: true }])
  t.equal(starts.mails[0]?.wasEncrypted, true)
})

t.test('a folder gets one file a mail, which nobody else can read', async (t) => {
  const dir = join(await mkdtemp(join(tmpdir(), 'latchkey-mails-')), 'of/today')
  t.teardown(() => rm(join(dir, '../..'), { recursive: true }))
  const send = openTransport({ kind: 'file', dir }, FROM)
  const mail = aMail(AT, { to: '한글@예시.한국' })
  t.strictSame(await send(mail, WORDS), { kind: 'sent' })
  t.strictSame(await send(mail, WORDS), { kind: 'sent' }, 'the same once more')
  t.strictSame(await send(aMail(AT + 1), WORDS), { kind: 'sent' })
  const names = await readdir(dir)
  t.equal(names.length, 2, names.join())
  t.equal(names.toSorted()[0], `2026-11-27T15-31-12.000Z-${mail.id}.eml`)
  const path = join(dir, names.toSorted()[0] ?? '')
  t.equal((await stat(path)).mode & 0o777, 0o600)
  t.equal((await stat(dir)).mode & 0o777, 0o700)
  const { subject, text, to } = await PostalMime.parse(await readFile(path))
  t.strictSame({ subject, text }, WORDS)
  t.equal(to?.[0]?.address, '한글@예시.한국')
  const nowhere = openTransport({ kind: 'file', dir: join(path, 'x') }, FROM)
  t.match(await nowhere(mail, WORDS), { kind: 'refused', forGood: false, cause: /^E[A-Z]+$/ })
})
