import * as z from 'zod'
import { readSecret } from '../domain/random-secret.ts'
import { LONGEST_ACCESS_TTL_MS } from '../domain/revocation.ts'
import { ALGORITHMS } from '../domain/signing-keys.ts'
import { type AdminKey, readAdminKey } from './admin-keys.ts'
import { duration, lifetime } from './durations.ts'
import { isAddressOrRange, isHost } from './hosts.ts'
import { limit } from './limits.ts'
import { faultOfAppUrl, faultOfMailUrl, isLocale, isPrintable, readMailFrom, readMailUrl } from './mail-url.ts'
import { faultOfBreachesUrl, faultOfIssuer, isAudience, isDomain, isOrigin, isPasskeyOrigin } from './origins.ts'
import { faultOfRedisUrl, readRedisUrl } from './redis-url.ts'
import { anyInteger, faultless, integer, list, readable, text } from './variable-kinds.ts'

const HSTS_FORM = /^max-age=(?:0|[1-9]\d{0,9})(?:; includeSubDomains)?(?:; preload)?$/

const folder = () => text((value) => !/\p{Cc}/u.test(value), 'must be a path without control characters')

const HOST_FAULT = 'must be a host name in lower case or an IP address in its shortest form'
const ADMIN_KEYS_FAULT =
  'must be name=key, or name+export=key, a key of 32 or more random bytes in base64url, or a list of such'

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** All variables, each with the form of its value and its default. What some demand of others is in environment.ts. */
export const Variables = z.object({
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
  PASSWORD_MIN_LENGTH: anyInteger(8, 256).optional(),
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
  LIMIT_SECOND_FACTOR: limit('20/24h'),
  SECOND_FACTOR: z.enum(['optional', 'required'], 'must be optional or required').default('optional'),
  PASSKEY_RP_ID: text(isDomain, 'must be a domain name in lower case').optional(),
  PASSKEY_ORIGINS: list().refine(
    (origins) => origins.every(isPasskeyOrigin),
    'must be exact origins, or android:apk-key-hash: and a SHA-256 in base64url, comma-separated',
  ),
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

/** The values of the variables. */
export type Values = z.output<typeof Variables>
