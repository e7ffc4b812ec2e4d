import type { Codes } from './codes.ts'
import type { Credential, Operation } from './history.ts'

// What the clients hold between them: 50 places for a session each, of a dozen users.

/** An access token and what it is called. */
export type Access = { readonly credential: Credential; readonly text: string }

/** A password and what it is called. */
export type Password = { readonly credential: Credential; readonly text: string }

/** What the first step of a login gave. */
export type Challenge = { readonly credential: Credential; readonly text: string }

/** An account. Its password is the first of `passwords`, or, after a change in doubt, perhaps another one of them. */
export type User = {
  readonly name: string
  /** Of the account of now. */
  id: string
  email: string
  passwords: readonly Password[]
  isChanging: boolean
  readonly hasApp: boolean
  /** Null: the app is not enrolled. */
  codes: Codes | null
}

/** A session as its client knows it, the tokens of the newest answer among them. */
export type Session = {
  readonly user: User
  readonly id: string
  readonly credential: Credential
  refreshToken: string
  rotation: number
  access: Access
}

/** A place for a session that any client may use. */
export type Place = { readonly user: User; session: Session | null; isBusy: boolean }

/** What an answer with tokens holds, as far as clients need it. */
export type TokensBody = { readonly access_token: string; readonly refresh_token: string; readonly session_id: string }

export type Pool = {
  readonly users: readonly User[]
  readonly places: readonly Place[]
  /** Access tokens that have been replaced or ended, the newest last. */
  readonly copies: readonly Access[]
  /** Sessions that have been left, the newest last. */
  readonly left: readonly Session[]
  /** The session of the answer; the one that is known, if it has been answered before. */
  readonly open: (user: User, tokens: TokensBody, by: Operation) => Session
  /** Takes the tokens of an answer if they are the newest; an answer that was overtaken by a later one must not win. */
  readonly adopt: (session: Session, tokens: TokensBody, by: Operation) => Access
  /** The session is of no more use: its place is free, its tokens are copies. */
  readonly leave: (session: Session) => void
  readonly password: (user: User, text: string, by: Operation) => Password
  readonly challenge: (user: User, text: string, by: Operation) => Challenge
}

/** How many users one of them has an app. */
const APP_EVERY = 3
const COPIES_KEPT = 1000
const LEFT_KEPT = 200

/** Makes a pool of `size` places for users that have still to be registered. */
export function makePool(size: number, userCount: number): Pool {
  const users = Array.from({ length: userCount }, (_, index): User => {
    return {
      name: `user-${index + 1}`,
      id: '',
      email: '',
      passwords: [],
      isChanging: false,
      hasApp: index % APP_EVERY === 0,
      codes: null,
    }
  })
  const places = Array.from({ length: size }, (_, index): Place => {
    return { user: users[index % userCount] as User, session: null, isBusy: false }
  })
  const copies: Access[] = []
  const left: Session[] = []
  const opened = new Map<string, Session>()
  let made = 0

  function grant(kind: Credential['kind'], user: User, by: Operation, session: Credential | null): Credential {
    const name = `${kind} ${(made += 1)}`
    const openedBy = session?.openedBy ?? by
    return {
      kind,
      name,
      user: user.name,
      session: session?.name ?? (kind === 'session' ? name : ''),
      grantedBy: by,
      openedBy,
    }
  }

  function accessOf(user: User, { access_token: text }: TokensBody, by: Operation, session: Credential): Access {
    return { credential: grant('access', user, by, session), text }
  }

  return {
    users,
    places,
    copies,
    left,
    open(user, tokens, by) {
      const known = opened.get(tokens.session_id)
      if (known) {
        this.adopt(known, tokens, by)
        return known
      }
      const credential = grant('session', user, by, null)
      const access = accessOf(user, tokens, by, credential)
      const { session_id: id, refresh_token: refreshToken } = tokens
      const session = { user, id, credential, refreshToken, rotation: rotationOf(tokens), access }
      opened.set(id, session)
      return session
    },
    adopt(session, tokens, by) {
      const access = accessOf(session.user, tokens, by, session.credential)
      const rotation = rotationOf(tokens)
      const isNewest = rotation >= session.rotation
      keep(copies, isNewest ? session.access : access, COPIES_KEPT)
      if (isNewest) Object.assign(session, { access, rotation, refreshToken: tokens.refresh_token })
      return access
    },
    leave(session) {
      const place = places.find((each) => each.session === session)
      if (place === undefined) return
      place.session = null
      keep(copies, session.access, COPIES_KEPT)
      keep(left, session, LEFT_KEPT)
    },
    password: (user, text, by) => ({ credential: grant('password', user, by, null), text }),
    challenge: (user, text, by) => ({ credential: grant('challenge', user, by, null), text }),
  }
}

function keep<T>(list: T[], item: T, count: number): void {
  list.push(item)
  if (list.length > count) list.shift()
}

/** The rotation counter that the access token of an answer tells. */
function rotationOf({ access_token: text }: TokensBody): number {
  const [, claims = ''] = text.split('.')
  return (JSON.parse(Buffer.from(claims, 'base64url').toString()) as { rtc: number }).rtc
}
