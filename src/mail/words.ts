import type { Config } from '../config/environment.ts'
import type { AuthKeys } from '../domain/auth-secret.ts'
import type { Mail } from '../domain/mail.ts'
import { CODE_MS, codeOf, tokenOf } from '../domain/one-time-secret.ts'
import { lifeOf } from './link-life.ts'
import { fillTemplate, type Values, type Words } from './template.ts'
import type { Templates } from './templates.ts'

/** The words of a mail. The same mail has the same words each time, its secret among them. */
export type WordsOf = (mail: Mail) => Words

const DEVICE_LENGTH = 80
const [MINUTE_MS, HOUR_MS] = [60_000, 3_600_000]

/** Makes what finds the words of a mail. */
export function makeWords(config: Config, authKeys: AuthKeys, templates: Templates): WordsOf {
  const { APP_URL = '', SERVICE_NAME, MAIL_FROM } = config
  const common = { service: SERVICE_NAME, app: APP_URL, operator: MAIL_FROM?.address ?? '' }
  return (mail) => {
    const template = templates(mail.kind, mail.locale)
    const secret = secretValues(config, authKeys, mail, template.locale)
    return fillTemplate(template, { ...common, ...valuesOf(mail), ...secret })
  }
}

function valuesOf({ at, ip, userAgent }: Mail): Pick<Values, 'when' | 'address' | 'device'> {
  const when = `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
  return { when, address: plain(ip), device: plain(userAgent) }
}

function secretValues(config: Config, authKeys: AuthKeys, { userId, kind, secret }: Mail, locale: string) {
  if (secret === null) return {}
  const derived = { userId, ...secret }
  const ttlMs = lifeOf(config, secret.purpose)
  return {
    link: `${config.APP_URL}/${kind}#token=${tokenOf(authKeys, derived)}`,
    code: codeOf(authKeys, derived),
    link_lives: durationIn(locale, ttlMs),
    code_lives: durationIn(locale, Math.min(CODE_MS, ttlMs)),
  }
}

/** What somebody has sent, as text of one line that no reader takes for more; a dash if it is empty. */
function plain(text: string): string {
  const seen = text.replaceAll(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, '')
  return Array.from(seen).slice(0, DEVICE_LENGTH).join('') || '–'
}

/** A duration in words of the language, like `24 hours`; in English if the language has no words here. */
function durationIn(locale: string, ms: number): string {
  const [count, unit] =
    ms % HOUR_MS === 0 ? [ms / HOUR_MS, 'hour'] : [Math.max(1, Math.floor(ms / MINUTE_MS)), 'minute']
  return new Intl.NumberFormat([...languagesOf(locale), 'en'], { style: 'unit', unit, unitDisplay: 'long' }).format(
    count,
  )
}

function languagesOf(locale: string): string[] {
  try {
    return Intl.getCanonicalLocales(locale)
  } catch {
    return [] // the folder has a name of its own
  }
}
