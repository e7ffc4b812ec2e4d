import * as z from 'zod'
import { readSecret } from '../domain/random-secret.ts'
import { LONGEST_ACCESS_TTL_MS } from '../domain/revocation.ts'
import { ALGORITHMS } from '../domain/signing-keys.ts'
import { type AdminKey, readAdminKey } from './admin-keys.ts'
import { duration, lifetime } from './durations.ts'
import { isAddressOrRange, isHost } from './hosts.ts'
import { limit } from './limits.ts'
import { faultOfAppUrl, faultOfMailUrl, isLocale, isPrintable, readMailFrom, readMailUrl } from './mail-url.ts'
import { faultOfBreachesUrl, faultOfIssuer, isAudience, isCookieDomainOf, isDomain, isOrigin } from './origins.ts'
import { faultOfRedisUrl, readRedisUrl } from './redis-url.ts'
import { readSecretFiles } from './secret-files.ts'
import { anyInteger, faultless, integer, list, readable, text } from './variable-kinds.ts'

const HSTS_FORM = /^max-age=(?:0|[1-9]\d{0,9})(?:; includeSubDomains)?(?:; preload)?$/

const folder = () => text((value) => !/\p{Cc}/u.test(value), 'must be a path without control characters')

const HOST_FAULT = 'must be a host name in lower case or an IP address in its shortest form'
const ADMIN_KEYS_FAULT =
  'must be name=key, or name+export=key, a key of 32 or more random bytes in base64url, or a list of such'

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

const Variables = z.object({
  HOST: text(isHost, HOST_FAULT).default('127.0.0.1'),
  PORT: integer(3000, 0, 65535),
  REDIS_URL: readable(readRedisUrl, faultOfRedisUrl).optional(),
  DATA_DIR: folder().default('./data'),
  AUTH_SECRET: list()
    .transform((secrets) => secrets.map(readSecret))
    .refine(
      (secrets) => !secrets.includes(null),
      'must be 32 or more random bytes in base64url, as an encoder writes them, or a list of such; examples and well-known values are refused',
    )
    .transform((secrets) => secrets as Buffer[]),
  ISSUER: faultless(faultOfIssuer).optional(),
  AUDIENCE: text(isAudience, 'must be printable ASCII, a URL in its canonical form').optional(),
  CLIENT_ID: text((id) => /^[\x20-\x7e]+$/.test(id), 'must be printable ASCII').default('first-party'),
  JWT_ALG: z.enum(ALGORITHMS, `must be one of ${ALGORITHMS.join(', ')}`).default('ES256'),
  KEY_ROTATION: lifetime('30d'),
  ACCESS_TTL: lifetime('5m', LONGEST_ACCESS_TTL_MS),
  REFRESH_GRACE: duration('10s'),
  SESSION_IDLE: lifetime('30m'),
  SESSION_ABSOLUTE: lifetime('24h'),
  REMEMBER_IDLE: lifetime('14d'),
  REMEMBER_ABSOLUTE: lifetime('90d'),
  SESSION_MAX: integer(50, 1, 1000),
  PASSWORD_MIN_LENGTH: integer(15, 8, 256),
  BREACHED_PASSWORDS_URL: faultless(faultOfBreachesUrl).optional(),
  ARGON2_MEMORY_KIB: integer(19_456, 19_456, 4_194_304),
  ARGON2_PASSES: integer(2, 2, 100),
  ARGON2_LANES: integer(1, 1, 16),
  TRUST_PROXY: list().refine(
    (proxies) => proxies.every(isAddressOrRange),
    'must be IP addresses or CIDR ranges in their shortest form, a range by its first address, comma-separated, never a number of hops',
  ),
  ALLOWED_ORIGINS: list().refine(
    (origins) => origins.every(isOrigin),
    'must be exact origins like https://app.example.org or capacitor://localhost, comma-separated',
  ),
  COOKIE_DOMAIN: text(isDomain, 'must be a domain name in lower case').optional(),
  LIMIT_REGISTER: limit('20/10m'),
  LIMIT_LOGIN: limit('30/1m'),
  LIMIT_REFRESH: limit('300/1m'),
  LIMIT_API: limit('600/1m'),
  LIMIT_FAILURES: limit('10/15m'),
  LIMIT_ACCOUNT_FAILURES: limit('100/1h'),
  MAIL_URL: readable(readMailUrl, faultOfMailUrl).optional(),
  MAIL_FROM: readable(readMailFrom, () => 'must be an address in lower case, or Name <address>').optional(),
  APP_URL: faultless(faultOfAppUrl).optional(),
  SERVICE_NAME: text(isPrintable, 'must be text in one line, without control characters').default('Latchkey'),
  MAIL_TEMPLATES: folder().optional(),
  MAIL_LOCALE: text(isLocale, 'must be letters, digits and hyphens').default('en'),
  LIMIT_MAIL: limit('5/1h'),
  LIMIT_MAIL_TOTAL: limit('2000/1h'),
  LIMIT_CODES: limit('20/24h'),
  REGISTRATION: z.enum(['open', 'closed'], 'must be open or closed').default('open'),
  RESET_TTL: lifetime('1h'),
  VERIFY_TTL: lifetime('24h'),
  STEP_UP_AGE: lifetime('5m'),
  EVENTS_KEPT: lifetime('90d'),
  ADMIN_HOST: text(isHost, HOST_FAULT).default('127.0.0.1'),
  ADMIN_PORT: anyInteger(1, 65535).optional(),
  ADMIN_KEYS: list()
    .transform((keys) => keys.map(readAdminKey))
    .refine((keys) => !keys.includes(null), ADMIN_KEYS_FAULT)
    .transform((keys) => keys as AdminKey[])
    .refine((keys) => new Set(keys.map(({ name }) => name)).size === keys.length, 'must have a name of its own each'),
  ADMIN_URL: text(
    (url) => isOrigin(url) && url.startsWith('http'),
    'must be an origin like http://127.0.0.1:9300',
  ).optional(),
  ADMIN_KEY: text((key) => readSecret(key) !== null, 'must be a key of ADMIN_KEYS, without its name').optional(),
  HSTS: text(
    (header) => header === 'off' || HSTS_FORM.test(header),
    'must be off, or in the form of max-age=31536000; includeSubDomains',
  ).default('max-age=31536000; includeSubDomains'),
  OTEL_EXPORTER_OTLP_ENDPOINT: faultless(faultOfIssuer).optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`).default('info'),
})

/** The names of all variables; the secrets among them can also be named by a file, see secret-files.ts. */
export const VARIABLES: readonly string[] = Object.keys(Variables.shape)

type Values = z.output<typeof Variables>

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
  .transform((env) => ({ ...env, ISSUER: issuerOf(env), AUDIENCE: env.AUDIENCE ?? issuerOf(env) }))

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
