import type { Test } from 'tap'
import type { Instead } from '../../src/compose.ts'
import { mailTo, NO_MAIL_LIMITS } from './env.ts'
import { type Home, type Newcomer, openHome } from './home.ts'
import { startRedis } from './redis.ts'
import { eventually } from './settle.ts'
import { type Arrived, type Letter, readLetter, type Smtp, startSmtp } from './smtp.ts'

/** A home that sends mail, with its mail server. */
export interface MailHome extends Home {
  readonly smtp: Smtp
  /** The mails with a link that this address has got so far. */
  readonly lettersTo: (email: string) => readonly Letter[]
  /** Resolves to the mails that this address has got, once they are so many. */
  readonly mailsTo: (email: string, count: number) => Promise<readonly Arrived[]>
  /** Does what asks for a mail, and resolves to the next mail with a link to this address. */
  readonly letterAfter: (email: string, act: () => Promise<unknown>) => Promise<Letter>
  /** Asks for a mail to reset the password, and resolves to it. */
  readonly forgot: (email: string) => Promise<Letter>
}

/** Opens a home that sends its mail to a server of its own; `instead` is what openHome takes. */
export async function openMailHome(
  t: Test,
  env: Record<string, string> = {},
  instead: Pick<Instead, 'store'> = {},
): Promise<MailHome> {
  const smtp = await startSmtp()
  const home = await openHome({ ...mailTo(smtp.url), ...NO_MAIL_LIMITS, ...env }, instead)
  t.teardown(async () => {
    await home.close()
    await smtp.stop()
  })
  const lettersTo = (email: string) =>
    smtp
      .mailsTo(email)
      .map(readLetter)
      .filter(({ token }) => token !== '')
  async function letterAfter(email: string, act: () => Promise<unknown>): Promise<Letter> {
    const before = lettersTo(email).length
    await act()
    return eventually(() => lettersTo(email)[before], { within: 10_000 })
  }
  const forgot = (email: string) =>
    letterAfter(email, () => home.call('POST', '/v1/password/forgot', { body: { email } }))
  const mailsTo = (email: string, count: number) =>
    eventually(() => smtp.mailsTo(email).length >= count && smtp.mailsTo(email), { within: 10_000 })
  return { ...home, smtp, lettersTo, mailsTo, letterAfter, forgot }
}

/** The answer to a token or a code that is no good. */
export const INVALID = { status: 400, body: { code: 'code_invalid' } }

/** What happens in a home, by the sentence that it shows. */
export type MailStories = Readonly<Record<string, (t: Test, home: MailHome) => Promise<void>>>

/** Plays each story on both stores, in a home of its own. */
export async function playOnBothStores(t: Test, stories: MailStories): Promise<void> {
  const redis = await startRedis()
  t.teardown(redis.stop)
  for (const [store, env] of Object.entries({ LMDB: {}, Redis: { REDIS_URL: redis.url } })) {
    for (const [name, story] of Object.entries(stories))
      void t.test(`${name}, on ${store}`, async (t) => story(t, await openMailHome(t, env)))
  }
}

export const login = (home: Home, email: string, password: string) =>
  home.call('POST', '/v1/login', { body: { email, password } })

/** Whether the access token of this client lets it in, and whether its session goes on. */
export async function isAlive(home: Home, { access_token, refresh_token }: Newcomer): Promise<boolean[]> {
  const verified = await home.call('GET', '/v1/verify', { token: access_token })
  const refreshed = await home.call('POST', '/v1/refresh', { body: { refresh_token } })
  return [verified.status === 204, refreshed.status === 200]
}
