import { type Events, isEvents, isNothing, isTokens, type User } from './answers.js'
import { unlessOver } from './errors.js'
import { makeFetch } from './fetch.js'
import { act, enter, fresh, leave, renew } from './renewal.js'
import { ask, type Asked } from './service.js'
import { isDue, openSession, type Session, type Snapshot, subscribe } from './session.js'
import { type ClientOptions, settle } from './settings.js'
import { joinTabs } from './tabs.js'
import { watch } from './watch.js'

/** What a person types. */
export interface Credentials {
  readonly email: string
  readonly password: string
  /** Keeps the session for weeks. */
  readonly remember?: boolean
}

/** What a mail holds: behind `#token=` in its link, or as digits. */
export type Proof = { readonly token: string } | { readonly code: string }

/** A second factor, shown: what an app says, a recovery code, or what a passkey has signed (an `AuthenticationResponseJSON`). */
export type FactorProof =
  | { readonly totp: string }
  | { readonly recovery_code: string }
  | { readonly challenge: string; readonly passkey: object }

/** The language of a mail. */
export interface Letter {
  readonly locale?: string
}

/** What bodies hold has the names of the contract. Each rejects with SessionOver, Unavailable or Refused. */
export interface Client {
  /** The same object until something changes. */
  readonly getSnapshot: () => Snapshot
  /** Calls the listener after each change; returns what ends that. */
  readonly subscribe: (listener: () => void) => () => void
  /** Whether there is a session: a page begins with this. Rejects with Unavailable where nobody knows. */
  readonly resume: () => Promise<boolean>
  /** Refused with `second_factor_required` is half a login: its `problem` is for `finishLogin` of `@latchkey/client/factors`. */
  readonly login: (credentials: Credentials) => Promise<User>
  readonly register: (credentials: Credentials) => Promise<User>
  /** Ends this session, the `others`, or `all`. After Unavailable it may live on: ask again. */
  readonly logout: (options?: { readonly scope?: 'session' | 'others' | 'all' }) => Promise<void>
  /** After Unavailable it may have been done: ask for nothing again. The session goes on either way. */
  readonly changePassword: (change: {
    readonly current_password: string
    readonly new_password: string
  }) => Promise<void>
  /** Proves again who is there, for what wants a fresh login: by a second factor, or by the password where there is none. */
  readonly stepUp: (proof: { readonly password: string } | FactorProof) => Promise<void>
  readonly forgotPassword: (whose: Letter & { readonly email: string }) => Promise<unknown>
  /** Ends all sessions and opens none. */
  readonly resetPassword: (
    proof: ({ readonly token: string } | { readonly email: string; readonly code: string }) & {
      readonly new_password: string
    },
  ) => Promise<unknown>
  /** 202: a mail is on its way; 204: the address is verified already. */
  readonly requestVerification: (letter: Letter) => Promise<202 | 204>
  readonly verifyEmail: (proof: Proof) => Promise<void>
  readonly changeEmail: (to: Letter & { readonly new_email: string }) => Promise<unknown>
  readonly confirmEmail: (proof: Proof) => Promise<void>
  readonly events: (page?: { readonly limit?: number; readonly cursor?: string }) => Promise<Events>
  /** An access token that lives. */
  readonly token: () => Promise<string>
  /** As `fetch`, from baseUrl, with the access token for the origins that may see it. */
  readonly fetch: typeof globalThis.fetch
  /** Ends what goes on in the background, and every subscription. */
  readonly dispose: () => void
  /** For the other entries of this package: no page needs it. */
  readonly session?: () => Session
}

/** Makes a client: of one person, and one for a page. Nothing is sent before it is asked. */
export function createClient(options: ClientOptions): Client {
  const session = openSession(settle(options))
  session.tabs = joinTabs(session)
  const stop = globalThis.document && watch(session)
  const send = <Body>(asked: Asked<Body>) => act(session, asked)
  const plainly = <Body>(asked: Asked<Body>) => ask(session, asked)
  const tell =
    (path: string, by = send) =>
    (body: object) =>
      by({ path, body, isExpected: isNothing })
  const prove = (path: string) => async (body: object) => void (await send({ path, body, isExpected: isTokens }))
  const door = (path: string) => async (credentials: Credentials) =>
    (await enter(session, path, { ...credentials, transport: session.transport })).user as User
  return {
    getSnapshot: () => session.snapshot,
    subscribe: (listener) => subscribe(session, listener),
    resume: () => Promise.resolve(isDue(session) && renew(session, session.access)).then(() => true, unlessOver),
    login: door('login'),
    register: door('register'),
    logout: ({ scope = 'session' } = {}) => logout(session, scope),
    changePassword: prove('password'),
    stepUp: prove('step-up'),
    forgotPassword: tell('password/forgot', plainly),
    resetPassword: tell('password/reset', plainly),
    requestVerification: tell('email/verification'),
    verifyEmail: prove('email/verify'),
    changeEmail: tell('email/change'),
    confirmEmail: prove('email/change/confirm'),
    events: (page = {}) =>
      send({ path: `me/events?${new URLSearchParams(page as Record<string, string>)}`, isExpected: isEvents }),
    token: async () => (await fresh(session)).token,
    fetch: makeFetch(session),
    session: () => session,
    dispose() {
      stop?.()
      session.tabs?.close()
      session.listeners.clear()
    },
  }
}

// The access token says which session it is, however old it is: the cookie may be the next person's by then. Where others were to be
// logged out and it is over, they are not.
async function logout(session: Session, scope: string): Promise<void> {
  const isOwn = scope === 'session'
  const asked = { path: 'logout', body: { scope }, isExpected: isNothing }
  const done = await act(session, asked, isOwn ? session.access : null).catch(isOwn ? unlessOver : null)
  if (done && scope !== 'others') await leave(session, 'logged_out')
}
