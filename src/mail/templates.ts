import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config } from '../config/environment.ts'
import { isLocale } from '../config/mail-url.ts'
import { MAIL_KINDS, type MailKind } from '../domain/mail.ts'
import { parseTemplate, type Template, TemplateFault } from './template.ts'

/** The words of a mail cannot be used; the message tells an operator which file, which line and why. */
export class BadTemplate extends Error {
  override readonly name = 'BadTemplate'
}

/** Finds the template of a kind in a language (of `ko-KR`, if there is no such, in `ko`), or else in that of MAIL_LOCALE. */
export type Templates = (kind: MailKind, locale: string) => Template

const BUILT_IN = fileURLToPath(import.meta.resolve('#templates'))
const LAST_RESORT = 'en'

type Found = ReadonlyMap<string, ReadonlyMap<MailKind, Template>>

/**
 * Reads all templates, those of MAIL_TEMPLATES before the built-in ones. A kind that a language has not is told in English.
 * Throws BadTemplate.
 */
export function openTemplates({
  MAIL_TEMPLATES,
  MAIL_LOCALE,
}: Pick<Config, 'MAIL_TEMPLATES' | 'MAIL_LOCALE'>): Templates {
  const folders = [...(MAIL_TEMPLATES === undefined ? [] : [MAIL_TEMPLATES]), BUILT_IN].map(readFolder)
  const isKnown = (locale: string) => folders.some((folder) => folder.has(locale))
  if (!isKnown(MAIL_LOCALE)) throw new BadTemplate(`MAIL_LOCALE: there is no folder ${MAIL_LOCALE} in MAIL_TEMPLATES`)

  const find = (kind: MailKind, locale: string) => folders.map((folder) => folder.get(locale)?.get(kind)).find(Boolean)
  for (const kind of MAIL_KINDS)
    if (!find(kind, LAST_RESORT)) throw badFile(`${LAST_RESORT}/${kind}.txt`, 1, 'is missing')
  return (kind, locale) => {
    const known = [locale, locale.split('-')[0] ?? '', MAIL_LOCALE].find(isKnown) ?? LAST_RESORT
    const template = find(kind, known) ?? find(kind, LAST_RESORT)
    if (template === undefined) throw new Error('every kind has a template')
    return template
  }
}

const IF_THERE = { throwIfNoEntry: false } as const

function readFolder(dir: string): Found {
  const locales = list(dir, '').filter((name) => isLocale(name) && statSync(join(dir, name), IF_THERE)?.isDirectory())
  return new Map(locales.map((locale) => [locale, readLocale(dir, locale)]))
}

function readLocale(dir: string, locale: string): ReadonlyMap<MailKind, Template> {
  const files = list(dir, locale).filter((name) => name.endsWith('.txt'))
  return new Map(files.map((name) => [kindOf(locale, name), readTemplate(dir, locale, name)]))
}

/** The names in a folder. A name that begins with a dot is hidden: Kubernetes keeps its own beside what it mounts. */
function list(dir: string, locale: string): string[] {
  try {
    return readdirSync(join(dir, locale)).filter((name) => !name.startsWith('.'))
  } catch (error) {
    throw new BadTemplate(
      `MAIL_TEMPLATES: ${join(dir, locale)} cannot be read: ${(error as NodeJS.ErrnoException).code}`,
    )
  }
}

function kindOf(locale: string, name: string): MailKind {
  const kind = MAIL_KINDS.find((known) => `${known}.txt` === name)
  if (kind === undefined) throw badFile(`${locale}/${name}`, 1, `is no mail: there are ${MAIL_KINDS.join(', ')}`)
  return kind
}

function readTemplate(dir: string, locale: string, name: string): Template {
  try {
    return parseTemplate(readFileSync(join(dir, locale, name), 'utf8'), kindOf(locale, name), locale)
  } catch (error) {
    if (error instanceof BadTemplate) throw error
    if (error instanceof TemplateFault) throw badFile(`${locale}/${name}`, error.line, error.message)
    throw badFile(`${locale}/${name}`, 1, `cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
}

function badFile(file: string, line: number, fault: string): BadTemplate {
  return new BadTemplate(`MAIL_TEMPLATES: ${file}:${line} ${fault}`)
}
