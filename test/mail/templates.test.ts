import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { readConfig } from '../../src/config/environment.ts'
import { type AuthKeys, deriveAuthKey } from '../../src/domain/auth-secret.ts'
import { type Mail, MAIL_KINDS } from '../../src/domain/mail.ts'
import { codeOf, type Purpose, readToken } from '../../src/domain/one-time-secret.ts'
import { openTemplates } from '../../src/mail/templates.ts'
import { makeWords } from '../../src/mail/words.ts'
import { TEST_SECRET, mailTo } from '../support/env.ts'
import { aMail } from '../support/mails.ts'

const KEYS: AuthKeys = [deriveAuthKey(Buffer.from(TEST_SECRET, 'base64url'))]
const USER = 'a-user-of-22-letters-x'
const AT = Date.UTC(2026, 10, 27, 15, 31, 12)
const PURPOSES: Record<string, Purpose> = {
  'verify-email': 'verify',
  'reset-password': 'reset',
  'change-email': 'change',
}

const top = await mkdtemp(join(tmpdir(), 'latchkey-templates-'))
t.teardown(() => rm(top, { recursive: true }))
let folders = 0

/** A folder with these files. */
async function folderOf(files: Record<string, string>): Promise<string> {
  const dir = join(top, String((folders += 1)))
  await mkdir(dir)
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true })
    await writeFile(join(dir, name), content)
  }
  return dir
}

function wordsOf(mail: Partial<Mail>, env: Record<string, string> = {}) {
  const config = readConfig({ ...mailTo('smtp://h'), ...env })
  const kind = mail.kind ?? 'password-changed'
  const purpose = PURPOSES[kind]
  const secret = purpose === undefined ? null : { purpose, nonce: 'a-nonce' }
  return makeWords(config, KEYS, openTemplates(config))(aMail(AT, { userId: USER, secret, ...mail, kind }))
}

t.test('every mail says in both languages what happened, when and from where, and whom to ask', async (t) => {
  for (const locale of ['en', 'ko']) {
    for (const kind of MAIL_KINDS) {
      const { subject, text } = wordsOf({ kind, locale }, { SERVICE_NAME: '$& Latch & Key' })
      const name = `${locale} ${kind}`
      t.match(subject, '$& Latch & Key', name)
      for (const said of ['2026-11-27 15:31 UTC', '203.0.113.9', 'Browser/1.0', 'no-reply@mail.example.org'])
        t.match(text, said, name)
      t.notMatch(subject + text, /[{}]|undefined/, name)
      t.equal(/[가-힣]/.test(text), locale === 'ko', name)
    }
  }
})

t.test(
  'a mail with a secret holds its link and its code, the same each time, and says how long they live',
  async (t) => {
    const lives = { en: ['24 hours', '15 minutes'], ko: ['24시간', '15분'] }
    for (const [kind, purpose] of Object.entries(PURPOSES)) {
      for (const locale of ['en', 'ko'] as const) {
        const mail = { kind: kind as Mail['kind'], locale }
        const { text } = wordsOf(mail, { RESET_TTL: '24h' })
        const [, path, token = ''] = /^https:\/\/app\.example\.org\/([a-z-]+)#token=([\w-]+)$/m.exec(text) ?? []
        t.equal(path, kind)
        t.equal(readToken(KEYS, token, purpose)?.userId, USER)
        t.match(text, new RegExp(`: ${codeOf(KEYS, { userId: USER, purpose, nonce: 'a-nonce' })}$`, 'm'))
        for (const life of lives[locale]) t.match(text, life)
        t.equal(wordsOf(mail, { RESET_TTL: '24h' }).text, text)
      }
    }
    t.match(wordsOf({ kind: 'reset-password' }, { RESET_TTL: '90m' }).text, '90 minutes')
    t.match(wordsOf({ kind: 'reset-password' }, { RESET_TTL: '1h' }).text, 'works for 1 hour,')
    t.match(wordsOf({ kind: 'reset-password' }, { RESET_TTL: '5m' }).text, /the code for 5 minutes/)
  },
)

t.test('what a browser calls itself is text of one line, cut to 80 characters', async (t) => {
  const device = (userAgent: string) => /^Device: (.*)$/m.exec(wordsOf({ userAgent }).text)?.[1]
  t.equal(device('a\r\nBcc: x\u2028y\u202ez\u0000'), 'aBcc: xyz')
  t.equal(device('👩'.repeat(100)), '👩'.repeat(80))
  t.equal(device('{{link}} {{operator}} $& $1'), '{{link}} {{operator}} $& $1', 'no name in it is filled in')
  t.equal(device(''), '–')
})

t.test('an unknown language is that of MAIL_LOCALE, and names nothing outside the folder', async (t) => {
  const korean = wordsOf({ locale: 'ko' }).text
  const path = await folderOf({
    'inside/ko/password-changed.txt': 'Subject: In\n\nInside\n',
    'x/password-changed.txt': 'Subject: Out\n\nOutside\n',
  })
  const env = { MAIL_LOCALE: 'ko', MAIL_TEMPLATES: join(path, 'inside') }
  for (const locale of ['fr', '../../x', '../x', '..', '', 'KO', '__proto__', 'constructor', 'ko/../../x']) {
    t.equal(wordsOf({ locale }, { MAIL_LOCALE: 'ko' }).text, korean, locale)
    t.equal(wordsOf({ locale }, env).text, 'Inside\n', locale)
  }
})

t.test('a folder of templates replaces words and adds languages; what it lacks is built in', async (t) => {
  const dir = await folderOf({
    'en/password-changed.txt': '\uFEFFSubject: {{service}}: changed\r\n\r\nOn {{device}}.\r\n',
    'fr/password-changed.txt': 'Subject: Mot de passe\n\nChangé.\n',
    'fr/reset-password.txt': 'Subject: Mot de passe\n\n{{link}} {{link_lives}}\n{{code}}\n',
    'fr/notes.md': '{{',
    '..data/en/x.txt': 'Kubernetes',
    README: 'Our words.',
  })
  const env = { MAIL_TEMPLATES: dir }
  t.strictSame(wordsOf({}, env), { subject: 'Latchkey: changed', text: 'On Browser/1.0.\n' })
  t.match(wordsOf({ locale: 'fr' }, env), { subject: 'Mot de passe', text: 'Changé.\n' })
  t.match(wordsOf({ locale: 'fr', kind: 'reset-password' }, env).text, /1.heure/)
  t.strictSame(wordsOf({ locale: 'fr', kind: 'new-sign-in' }, env), wordsOf({ locale: 'en', kind: 'new-sign-in' }))
  t.strictSame(wordsOf({ locale: 'ko' }, env), wordsOf({ locale: 'ko' }))
  t.equal(wordsOf({ locale: 'nowhere' }, { ...env, MAIL_LOCALE: 'fr' }).subject, 'Mot de passe')
})

t.test('a template that cannot be used stops the start with its file and line', async (t) => {
  const good = await readFile('src/mail/templates/en/reset-password.txt', 'utf8')
  const [reset, changed] = ['en/reset-password.txt', 'ko/password-changed.txt']
  const table: [file: string, content: string, said: RegExp][] = [
    [changed, '', /:1 must be "Subject: "/],
    [changed, 'Betreff: x\n\ny\n', /:1 must be "Subject: "/],
    [changed, 'Subject: \n\ny\n', /:1 must be "Subject: "/],
    [changed, 'Subject: x\ny\n', /:2 must be empty/],
    [changed, 'Subject: x', /:2 must be empty/],
    [changed, 'Subject: x\n\n \n', /:3 must begin the text/],
    [changed, 'Subject: {{device}}\n\ny\n', /:1 may not say \{\{device\}\}, but \{\{service\}\}$/],
    [changed, 'Subject: x\n\ny\n{{password}}\n', /:4 may not say \{\{password\}\}, but \{\{service\}\}, /],
    [changed, 'Subject: x\n\n{{link}}\n', /:3 may not say \{\{link\}\}/],
    [changed, 'Subject: x\n\n{{constructor}}\n', /:3 may not say \{\{constructor\}\}/],
    [changed, 'Subject: x\n\ny\n\n{{ device }}\n', /:5 has braces/],
    [changed, 'Subject: x\n\n{device}\n', /:3 has braces/],
    [changed, 'Subject: x\n\n{{{device}}}\n', /:3 has braces/],
    [changed, 'Subject: x\n\n{{device\n}}\n', /:3 has braces/],
    [changed, 'Subject: x\n\n\uFFFD\n', /:3 is not UTF-8/],
    [reset, good.replace('{{link}}', 'here'), /:\d+ ends without \{\{link\}\}$/],
    [reset, good.replace('{{code}}', 'there'), /:\d+ ends without \{\{code\}\}$/],
    ['en/pasword-changed.txt', 'Subject: x\n\ny\n', /:1 is no mail: there are verify-email, /],
  ]
  for (const [file, content, said] of table) {
    const env = { MAIL_TEMPLATES: await folderOf({ [file]: content }) }
    const { message } = t.throws(() => wordsOf({}, env), { name: 'BadTemplate' }) as unknown as Error
    t.match(message, said, JSON.stringify(content))
    t.ok(message.startsWith(`MAIL_TEMPLATES: ${file}:`), message)
    t.notMatch(message, '\n')
  }
})

t.test('a folder that is not there stops the start, and so does a language of nobody', async (t) => {
  t.throws(() => wordsOf({}, { MAIL_TEMPLATES: join(top, 'none') }), {
    name: 'BadTemplate',
    message: /^MAIL_TEMPLATES: .*none.* ENOENT$/,
  })
  t.throws(() => wordsOf({}, { MAIL_LOCALE: 'fr' }), { name: 'BadTemplate', message: /^MAIL_LOCALE: / })
  const folder = await folderOf({ 'en/password-changed.txt/x': '' })
  t.throws(() => wordsOf({}, { MAIL_TEMPLATES: folder }), {
    message: /^MAIL_TEMPLATES: en\/password-changed\.txt:1 cannot be read: EISDIR$/,
  })
})
