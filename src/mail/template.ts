import type { MailKind } from '../domain/mail.ts'

/** The words of one mail, ready to be sent. */
export interface Words {
  readonly subject: string
  readonly text: string
}

/** The words of mails of one kind, with names like `{{service}}` where something is to be filled in. */
export interface Template extends Words {
  /** The language that it is written in. */
  readonly locale: string
}

/** What a template may say: the service and where it is, who operates it, when it happened, and from which address and device. */
const NAMES = ['service', 'app', 'operator', 'when', 'address', 'device'] as const
/** What a template with a secret may say, too: the link and the code, and for how long each of them lives. */
const SECRET_NAMES = ['link', 'code', 'link_lives', 'code_lives'] as const
const REQUIRED = ['link', 'code'] as const

/** What is filled in, by its name. */
export type Values = Readonly<Record<(typeof NAMES)[number], string>> &
  Readonly<Partial<Record<(typeof SECRET_NAMES)[number], string>>>

/** The kinds of mails that hold a secret: their name is also the path of the page that takes it. */
const WITH_SECRET = new Set<MailKind>(['verify-email', 'reset-password', 'change-email'])

/** What is wrong with a template, and in which line. */
export class TemplateFault extends Error {
  readonly line: number

  constructor(line: number, message: string) {
    super(message)
    this.line = line
  }
}

const NAME = /\{\{([a-z_]+)\}\}/g

/** Reads a template: a line `Subject: …`, an empty one, and the text. Throws TemplateFault. */
export function parseTemplate(file: string, kind: MailKind, locale: string): Template {
  const lines = file.replace(/^\uFEFF/, '').split(/\r?\n/)
  const [, subject] = /^Subject: (\S.*)$/.exec(lines[0] ?? '') ?? []
  if (subject === undefined) throw new TemplateFault(1, 'must be "Subject: " and the subject')
  if (lines[1] !== '') throw new TemplateFault(2, 'must be empty')
  const hasSecret = WITH_SECRET.has(kind)
  const names = hasSecret ? [...NAMES, ...SECRET_NAMES] : NAMES
  for (const [place, line] of lines.entries()) checkLine(line, place + 1, place === 0 ? ['service'] : names)
  const text = lines.slice(2).join('\n').trim()
  if (text === '') throw new TemplateFault(3, 'must begin the text')
  const missing = hasSecret ? REQUIRED.find((name) => !text.includes(`{{${name}}}`)) : undefined
  if (missing !== undefined) throw new TemplateFault(lines.length, `ends without {{${missing}}}`)
  return { locale, subject, text: `${text}\n` }
}

function checkLine(line: string, place: number, names: readonly string[]): void {
  const unknown = [...line.matchAll(NAME)].find(([, name = '']) => !names.includes(name))
  if (unknown !== undefined)
    throw new TemplateFault(place, `may not say ${unknown[0]}, but {{${names.join('}}, {{')}}}`)
  if (/[{}]/.test(line.replaceAll(NAME, ''))) throw new TemplateFault(place, 'has braces that hold no {{name}}')
  if (line.includes('\uFFFD')) throw new TemplateFault(place, 'is not UTF-8')
}

/** Fills a template in. Values go in as they are: nothing in them is a name again. */
export function fillTemplate({ subject, text }: Template, values: Values): Words {
  const fill = (words: string) => words.replaceAll(NAME, (_, name: keyof Values) => values[name] ?? '')
  return { subject: fill(subject), text: fill(text) }
}
