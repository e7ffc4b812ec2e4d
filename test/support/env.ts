// What tests tell the service, in its own process or theirs. Imports nothing: most who need it need no app.

/** Random, and of no other use than in tests. */
export const TEST_SECRET = 'kP2u0vQm7sX9yZr4tB8nWc1dEf5hJ6lA3gOiUeTzRqM'

/** Limits that get in no test's way; a test of limits sets its own. */
export const NO_LIMITS = {
  LIMIT_REGISTER: '1000000/1m',
  LIMIT_LOGIN: '1000000/1m',
  LIMIT_REFRESH: '1000000/1m',
  LIMIT_API: '1000000/1m',
  LIMIT_FAILURES: '1000000/1m',
  LIMIT_ACCOUNT_FAILURES: '1000000/1m',
}

/** Limits of mails that get in no test's way. */
export const NO_MAIL_LIMITS = { LIMIT_MAIL: '1000000/1h', LIMIT_MAIL_TOTAL: '1000000/1h' }

/** A key of the operator's listener, random and of no other use. */
export const ADMIN_KEY = 'Yc1c3mJ7c0cW8fB5QqZtVx2uLr9sKp4nHd6gEa0iOyM'
export const ADMIN = { ADMIN_PORT: '9', ADMIN_KEYS: `ops=${ADMIN_KEY}` }

/** What a home needs to send mails there. */
export const mailTo = (MAIL_URL: string): Record<string, string> => ({
  MAIL_URL,
  MAIL_FROM: 'Latchkey <no-reply@mail.example.org>',
  APP_URL: 'https://app.example.org',
})

/** What the hashes of a test that is about hashing cost: the default's. */
export const DEAR = { ARGON2_MEMORY_KIB: '19456' }

/** Whether this environment asks for hashes of a cost of its own. */
export function isDear(env: Record<string, string>): boolean {
  return Object.keys(env).some((name) => name.startsWith('ARGON2_'))
}
