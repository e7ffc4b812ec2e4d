import t from 'tap'
import { readConfig } from '../../src/config/environment.ts'
import { readMailUrl } from '../../src/config/mail-url.ts'
import { complaints } from '../support/settings.ts'

const MAIL = { MAIL_URL: 'smtp://mail.example.org', MAIL_FROM: 'ada@example.org', APP_URL: 'https://app.example.org' }

t.test('a MAIL_URL names a server, its port, its login and how TLS begins', async (t) => {
  const server = { kind: 'smtp', host: 'mail.example.org', port: 587, tls: 'demanded', login: null }
  const login = { user: 'ada', password: 'hunter2' }
  const table: [url: string, place: object][] = [
    ['smtp://mail.example.org', server],
    ['smtp://mail.example.org:2525', { ...server, port: 2525 }],
    ['smtp://ada:hunter2@mail.example.org', { ...server, login }],
    ['smtps://ada:hunter2@mail.example.org', { ...server, port: 465, tls: 'immediate', login }],
    ['smtps://mail.example.org:4465', { ...server, port: 4465, tls: 'immediate' }],
    [
      'smtp://ada%40example.org:%ED%95%9C%2F%3A@[::1]:25',
      { ...server, host: '::1', port: 25, tls: 'offered', login: { user: 'ada@example.org', password: '한/:' } },
    ],
    ['smtp://localhost', { ...server, host: 'localhost', tls: 'offered' }],
    ['smtp://127.0.0.2', { ...server, host: '127.0.0.2', tls: 'offered' }],
    ['smtp://127.example.org', { ...server, host: '127.example.org' }],
    ['smtps://localhost', { ...server, host: 'localhost', port: 465, tls: 'immediate' }],
    ['file:./mails', { kind: 'file', dir: './mails' }],
    ['file:/var/mails of today', { kind: 'file', dir: '/var/mails of today' }],
  ]
  for (const [url, place] of table) t.strictSame(readMailUrl(url), place, url)
})

t.test('mails are from an address, with a name or without', async (t) => {
  const from = (MAIL_FROM: string) => readConfig({ MAIL_FROM }).MAIL_FROM
  t.strictSame(from('no-reply@example.org'), { name: '', address: 'no-reply@example.org' })
  t.strictSame(from('Ada & Söhne, Ltd. <ada@example.org>'), { name: 'Ada & Söhne, Ltd.', address: 'ada@example.org' })
  for (const name of ['a\u2028b', 'a\u2029b', 'a\ud800b', 'a\u0085b'])
    t.match(complaints({ SERVICE_NAME: name, MAIL_FROM: `${name} <ada@example.org>` }), [
      /^ {2}MAIL_FROM/,
      /^ {2}SERVICE_NAME/,
    ])
  t.strictSame(from('우리 가게 <한글@예시.한국>'), { name: '우리 가게', address: '한글@예시.한국' })
})

t.test('what must hold together: a sender and a page with MAIL_URL, and no folder of mails with Redis', async (t) => {
  const { MAIL_URL, ...rest } = MAIL
  t.same(complaints(MAIL), [])
  t.same(complaints(rest), [], 'without MAIL_URL nothing is asked for')
  t.same(complaints({ MAIL_URL }), ['  MAIL_FROM is required with MAIL_URL', '  APP_URL is required with MAIL_URL'])
  t.same(complaints({ MAIL_URL, MAIL_FROM: 'x', APP_URL: 'y' }).length, 2, 'one that is bad is not missing, too')
  t.match(complaints({ MAIL_URL: 'smtp:hunter2' }), [/^ {2}MAIL_URL must be/])
  t.same(complaints({ ...MAIL, MAIL_URL: 'file:mails' }), [])
  t.match(complaints({ ...MAIL, MAIL_URL: 'file:mails', REDIS_URL: 'redis://h' }), [/^ {2}MAIL_URL .*REDIS_URL/])
  t.match(complaints({ ...MAIL, MAIL_URL: 'file:mails', REDIS_URL: 'h' }), [/^ {2}REDIS_URL/, /^ {2}MAIL_URL/])
})

t.test('the refusal of a MAIL_URL says what is wrong with it', async (t) => {
  for (const url of ['smtp://hunter2:x/y@h', 'smtps://ada@h'])
    t.match(complaints({ ...MAIL, MAIL_URL: url }), [/user and a password/], url)
  for (const url of ['file:', 'smtp://H', 'smtp://ada:hunter2@H', 'imap://h'])
    t.match(complaints({ ...MAIL, MAIL_URL: url }), [/must be smtps:/], url)
})
