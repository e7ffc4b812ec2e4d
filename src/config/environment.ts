import type * as z from 'zod'
import { faultOfIssuer, isCookieDomainOf, isDomain } from './origins.ts'
import { readSecretFiles } from './secret-files.ts'
import { type Values, Variables } from './variables.ts'

/** Which duration must be shorter than which; `at most`: the two may be equal. */
const DURATIONS = [
  ['REFRESH_GRACE', 'less than', 'ACCESS_TTL'],
  ['ACCESS_TTL', 'less than', 'SESSION_IDLE'],
  ['ACCESS_TTL', 'less than', 'REMEMBER_IDLE'],
  ['SESSION_IDLE', 'at most', 'SESSION_ABSOLUTE'],
  ['REMEMBER_IDLE', 'at most', 'REMEMBER_ABSOLUTE'],
] as const

const together = DURATIONS.reduce(
  (schema, [shorter, bound, longer]) =>
    schema.refine((env) => !(bound === 'at most' ? env[shorter] > env[longer] : env[shorter] >= env[longer]), {
      path: [shorter],
      message: `must be ${bound} ${longer}`,
      when: () => true,
    }),
  Variables,
)

const issuerOf = ({ ISSUER, PORT }: Values) => ISSUER ?? `http://localhost:${PORT}`

/** Whether browsers keep the cookie. True also where there is no COOKIE_DOMAIN, or where it or ISSUER is at fault by itself. */
const isCookieKept = (env: Values) => {
  const [issuer, domain = ''] = [issuerOf(env), env.COOKIE_DOMAIN]
  const areBothRight = isDomain(domain) && faultOfIssuer(issuer) === null
  return areBothRight ? isCookieDomainOf(issuer, domain) : true
}

const withMail = (['MAIL_FROM', 'APP_URL'] as const).reduce(
  (schema, name) =>
    schema.refine((env) => env.MAIL_URL?.kind === undefined || env[name] !== undefined, {
      path: [name],
      message: 'is required with MAIL_URL',
      when: () => true,
    }),
  together,
)

const Environment = withMail
  .refine((env) => env.REDIS_URL === undefined || env.MAIL_URL?.kind !== 'file', {
    path: ['MAIL_URL'],
    message: 'must be an SMTP server with REDIS_URL: file: is for development',
    when: () => true,
  })
  .refine((env) => env.ADMIN_KEYS.length === 0 || env.ADMIN_PORT !== undefined, {
    path: ['ADMIN_KEYS'],
    message: 'needs an ADMIN_PORT',
    when: () => true,
  })
  .refine(isCookieKept, {
    path: ['COOKIE_DOMAIN'],
    message:
      'must be the host of ISSUER or a domain above it, and no registry like com or co.uk: browsers refuse others',
    when: () => true,
  })
  .refine((env) => env.REDIS_URL === undefined || env.AUTH_SECRET.length > 0, {
    path: ['AUTH_SECRET'],
    message: `is required with REDIS_URL; make one: node -p "require('crypto').randomBytes(32).toString('base64url')"`,
    when: () => true,
  })
  .transform((env) => ({
    ...env,
    ISSUER: issuerOf(env),
    AUDIENCE: env.AUDIENCE ?? issuerOf(env),
    PASSWORD_MIN_LENGTH: env.PASSWORD_MIN_LENGTH ?? MIN_LENGTHS[env.SECOND_FACTOR],
    PASSKEY_RP_ID: env.PASSKEY_RP_ID ?? new URL(issuerOf(env)).hostname,
    PASSKEY_ORIGINS:
      env.PASSKEY_ORIGINS.length > 0 ? env.PASSKEY_ORIGINS : [new URL(issuerOf(env)).origin, ...env.ALLOWED_ORIGINS],
  }))

/** PASSWORD_MIN_LENGTH unless it is set, by NIST SP 800-63B-4: a password that is not alone may be shorter. */
const MIN_LENGTHS = { optional: 15, required: 8 } as const

/**
 * The settings, under the names of their environment variables. Durations are ms. AUTH_SECRET is empty if the embedded store is
 * to make one.
 */
export type Config = Readonly<z.output<typeof Environment>>

/** Thrown by `readConfig`. Its message names every variable at fault, and shows no value. */
export class InvalidConfig extends Error {
  override readonly name = 'InvalidConfig'
}

/**
 * Reads the settings from environment variables, and from the files that they name. A blank variable counts as absent. Throws
 * InvalidConfig.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const trimmed = Object.entries(env).map(([name, value = '']) => [name, value.trim()] as const)
  const { values, faults } = readSecretFiles(Object.fromEntries(trimmed.filter(([, value]) => value !== '')))
  const result = Environment.safeParse(values)
  if (result.success && faults.size === 0) return result.data
  const issues = (result.error?.issues ?? []).map(({ path, message }) => [path.join('.'), message] as const)
  const lines = [...faults, ...issues.filter(([name]) => !faults.has(name))].map((fault) => `  ${fault.join(' ')}`)
  throw new InvalidConfig(`Latchkey cannot start with these settings:\n${[...new Set(lines)].join('\n')}`)
}
