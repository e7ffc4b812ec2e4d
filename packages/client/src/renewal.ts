import { isTokens, type Tokens } from './answers.js'
import { Refused, toUnavailable, type Unavailable } from './errors.js'
import { ask, type Asked } from './service.js'
import { type Access, adopt, end, insist, isDue, type Session, whyOver } from './session.js'

/** Whoever says no does not say when to ask again. */
const REFUSED_S = 60

/** A token that is not due. Rejects with SessionOver, or with Unavailable. */
export async function fresh(session: Session): Promise<Access> {
  const { access, snapshot } = session
  if (access && !isDue(session)) return access
  if ('reason' in snapshot) throw whyOver(session)
  return renew(session, access)
}

/** Another token than `used`. Whoever asks meanwhile gets the same answer. */
export async function renew(session: Session, used: Access | null): Promise<Access> {
  const { access } = session
  if (access && access !== used) return access
  session.isAsked = true
  session.renewal ??= refresh(session, used).finally(() => (session.renewal = undefined))
  return session.renewal
}

async function refresh(session: Session, used: Access | null): Promise<Access> {
  await session
    .inTurn(() => replace(session, used))
    .catch((error: Partial<Unavailable>) => {
      session.quietUntil = session.now() + (error.retryAfter ?? REFUSED_S) * 1000
      throw error
    })
  if (!session.access) throw whyOver(session)
  return session.access
}

// Only a 401 in the service's own words ends a session. What is answered when there is another token already, or none, is thrown away.
async function replace(session: Session, used: Access | null): Promise<void> {
  const check = () => {
    if (session.access !== used) throw whyOver(session)
  }
  try {
    check()
    const refreshToken = await session.storage?.get().catch(toUnavailable)
    if (refreshToken === null) return end(session, 'none')
    const body = { refresh_token: refreshToken } // without one: the cookie's
    await exchange(session, { path: 'refresh', body, isExpected: isTokens }, check, false)
  } catch (error) {
    if (session.access !== used) return
    if (!(error instanceof Refused) || error.status !== 401) throw error
    await leave(session, error.problem.reason ?? 'none')
  }
}

/**
 * Asks what may bring tokens, and takes them: written down before they are used. `check` is asked before and after, and throws where
 * the answer must not count. `isOwn`: with the newest access token that any tab has; false: a refresh, unless another tab has one; undefined: a
 * login, which is nobody's yet.
 */
async function exchange<Body>(session: Session, asked: Asked<Body>, check: () => void, isOwn?: boolean): Promise<Body> {
  let access: Access | undefined
  const body = await session.alone(async () => {
    if (isOwn !== undefined) await session.tabs?.ask()
    check()
    const sentAt = session.now()
    const answer = await ask(session, asked, isOwn && session.access?.token)
    check()
    if (isTokens(answer)) {
      access = accessOf(answer, sentAt)
      session.tabs?.tell('new', access)
    }
    return answer
  })
  if (access) {
    await session.storage?.set((body as Tokens).refresh_token ?? toUnavailable()).catch(toUnavailable)
    check()
    adopt(session, access)
  }
  return body
}

function accessOf({ access_token: token, session_id: sessionId, expires_in: seconds }: Tokens, sentAt: number): Access {
  return { token, sessionId, expiresAt: sentAt + seconds * 1000 }
}

/** A login: its tokens count, whatever was before. */
export function enter(session: Session, path: string, body: object): Promise<Tokens> {
  return session.inTurn(() => exchange(session, { path, body, isExpected: isTokens }, () => {}))
}

/**
 * A request in the session that `used` is of, and in no other, with the newest token that any tab has: one of before a change of the
 * password would end nothing. Repeated once after a 401.
 */
export async function act<Body>(session: Session, asked: Asked<Body>, used?: Access | null): Promise<Body> {
  const access = used ?? (await fresh(session))
  const check = () => insist(session, access)
  const attempt = () => session.inTurn(() => exchange(session, asked, check, true))
  return attempt().catch(async (error: Refused) => {
    if (error.status !== 401) throw error
    check()
    await renew(session, session.access)
    return attempt()
  })
}

/** The session has ended, and the other tabs hear of it. */
export async function leave(session: Session, reason: string): Promise<void> {
  if (session.access) session.tabs?.tell('over', session.access, reason)
  end(session, reason)
  await session.storage?.set(null).catch(() => {}) // what stays there is dead
}
