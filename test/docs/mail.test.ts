import t from 'tap'
import { readMailUrl } from '../../src/config/mail-url.ts'
import { MAIL_KINDS, type MailKind } from '../../src/domain/mail.ts'
import { parseTemplate } from '../../src/mail/template.ts'
import { readPage, rowsOf } from './pages.ts'

// docs/mail.md and the code have the same kinds of mails, with the same names in their templates, and forms of MAIL_URL.

const page = readPage('docs/mail.md')
const rows = rowsOf(page)
const spansIn = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span)

/** The names that a template of this kind may say, as the fault of one that says another tells. */
function namesOf(kind: MailKind): string[] {
  try {
    parseTemplate('Subject: a subject\n\n{{nothing}}', kind, 'en')
  } catch (error) {
    return [...(error as Error).message.matchAll(/\{\{\w+\}\}/g)].map(String).slice(1)
  }
  throw new Error('a name that there is not was taken')
}

t.test('the page has one row for each kind of mail, and says which hold a link', async (t) => {
  const told = rows.filter(([kind = '']) => MAIL_KINDS.some((known) => kind === `\`${known}\``))
  t.strictSame(told.map(([kind = '']) => kind).toSorted(), MAIL_KINDS.map((kind) => `\`${kind}\``).toSorted())
  for (const [kind = '', , , holds] of told) {
    const hasLink = namesOf(kind.slice(1, -1) as MailKind).includes('{{link}}')
    t.equal(holds, hasLink ? 'link and code' : '–', kind)
  }
})

t.test('the page has each name that a template may say, and no other', async (t) => {
  const told = rows.flatMap(([names = '']) => spansIn(names)).filter((span) => span.startsWith('{{'))
  t.strictSame(told.toSorted(), namesOf('reset-password').toSorted())
})

t.test('every MAIL_URL that the page shows is one that the service takes', async (t) => {
  const urls = [...page.text.matchAll(/(?:smtps?:\/\/|file:)[^\s`]+/g)].map(String)
  t.ok(urls.length > 6)
  t.strictSame(
    urls.filter((url) => readMailUrl(url) === null),
    [],
  )
})
