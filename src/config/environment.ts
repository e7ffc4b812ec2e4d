import { isIP } from 'node:net'
import { z } from 'zod'
import { readSecret } from '../domain/random-secret.ts'
import { ALGORITHMS } from '../domain/signing-keys.ts'
import { duration, lifetime } from './durations.ts'
import { limit } from './limits.ts'
import { readRedisUrl } from './redis-url.ts'

const integer = (fallback: number, least: number, most: number) =>
  z
    .string()
    .default(String(fallback))
    .transform((text) => (/^\d{1,9}$/.test(text) ? Number(text) : NaN))
    .refine((value) => value >= least && value <= most, `must be a whole number from ${least} to ${most}`)

const list = () =>
  z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== ''),
    )

function isAddressOrRange(text: string): boolean {
  const [address = '', bits, rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest !== undefined) return false
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && /^https?:\/\/[^*]+$/.test(text) && new URL(text).origin === text
}

function isIssuer(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && !/[?#]|\/$/.test(text)
}

const Environment = z
  .object({
    HOST: z.string().min(1).default('127.0.0.1'),
    PORT: integer(3000, 0, 65535),
    REDIS_URL: z
      .string()
      .transform(readRedisUrl)
      .refine((address) => address !== null, 'must be a redis:, rediss:, redis+sentinel: or redis+cluster: URL')
      .optional(),
    DATA_DIR: z.string().min(1).default('./data'),
    AUTH_SECRET: list()
      .transform((secrets) => secrets.map(readSecret))
      .refine(
        (secrets) => !secrets.includes(null),
        'must be 32 or more random bytes in base64url, or a list of such; examples and well-known values are refused',
      )
      .transform((secrets) => secrets as Buffer[]),
    ISSUER: z
      .string()
      .refine(isIssuer, 'must be an http or https URL without query, fragment or trailing slash')
      .optional(),
    AUDIENCE: z.string().min(1).optional(),
    CLIENT_ID: z.string().min(1).default('first-party'),
    JWT_ALG: z.enum(ALGORITHMS, `must be one of ${ALGORITHMS.join(', ')}`).default('ES256'),
    KEY_ROTATION: lifetime('30d'),
    ACCESS_TTL: lifetime('5m'),
    REFRESH_GRACE: duration('10s'),
    SESSION_IDLE: lifetime('30m'),
    SESSION_ABSOLUTE: lifetime('24h'),
    REMEMBER_IDLE: lifetime('14d'),
    REMEMBER_ABSOLUTE: lifetime('90d'),
    SESSION_MAX: integer(50, 1, 1000),
    PASSWORD_MIN_LENGTH: integer(15, 8, 256),
    ARGON2_MEMORY_KIB: integer(19_456, 19_456, 4_194_304),
    ARGON2_PASSES: integer(2, 2, 100),
    ARGON2_LANES: integer(1, 1, 16),
    TRUST_PROXY: list().refine(
      (proxies) => proxies.every(isAddressOrRange),
      'must be IP addresses or CIDR ranges, comma-separated, never a number of hops',
    ),
    ALLOWED_ORIGINS: list().refine(
      (origins) => origins.every(isOrigin),
      'must be exact origins like https://app.example.org, comma-separated',
    ),
    COOKIE_DOMAIN: z
      .string()
      .regex(/^(?!-)[a-z\d-]+(\.[a-z\d-]+)*$/i, 'must be a domain name')
      .optional(),
    LIMIT_REGISTER: limit('20/10m'),
    LIMIT_LOGIN: limit('30/1m'),
    LIMIT_REFRESH: limit('300/1m'),
    LIMIT_API: limit('600/1m'),
    LIMIT_FAILURES: limit('10/15m'),
    LIMIT_ACCOUNT_FAILURES: limit('100/1h'),
    LOG_LEVEL: z
      .enum(
        ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
        'must be trace, debug, info, warn, error, fatal or silent',
      )
      .default('info'),
  })
  .refine((env) => env.REDIS_URL === undefined || env.AUTH_SECRET.length > 0, {
    path: ['AUTH_SECRET'],
    message: `is required with REDIS_URL; make one: node -p "require('crypto').randomBytes(32).toString('base64url')"`,
    when: () => true,
  })
  .transform((env) => ({
    ...env,
    ISSUER: env.ISSUER ?? `http://localhost:${env.PORT}`,
    AUDIENCE: env.AUDIENCE ?? env.ISSUER ?? `http://localhost:${env.PORT}`,
  }))

/** The settings, under the names of their environment variables. Durations are ms. AUTH_SECRET is empty where the embedded store is to make one. */
export type Config = Readonly<z.output<typeof Environment>>

/** Thrown by readConfig: one message that names every variable at fault and prints no value. */
export class InvalidConfig extends Error {
  override readonly name = 'InvalidConfig'
}

/** Reads the environment. An empty variable counts as absent. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const result = Environment.safeParse(given)
  if (result.success) return result.data
  const faults = result.error.issues.map((issue) => `  ${issue.path.join('.')} ${issue.message}`)
  throw new InvalidConfig(`Latchkey cannot start with these settings:\n${[...new Set(faults)].join('\n')}`)
}
