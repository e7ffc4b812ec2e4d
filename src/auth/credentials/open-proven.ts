import type { Deps } from '../../deps.ts'
import { digestShown, wasShown } from '../../domain/answered.ts'
import { type AuthMethod, withMethods } from '../../domain/auth-methods.ts'
import type { Caller } from '../../domain/caller.ts'
import { sealedAnew } from '../../domain/sealed-for.ts'
import type { SessionName } from '../../domain/session.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, unchanged } from '../../store/store.ts'
import { addKnownAddress, isKnownAddress } from '../accounts/known-ip-addresses.ts'
import { vouchFor } from '../deed.ts'
import { demandIdentity } from '../keys/store-identity.ts'
import { notice } from '../mail/notices.ts'
import { type Opening, openSession, type SessionWish } from '../sessions/open.ts'
import { bearerOf, readOwnSession } from '../sessions/read.ts'
import type { Bearer } from '../tokens/issue.ts'
import { untilWon } from '../until-won.ts'
import type { Credential, Proof } from './credential.ts'

/**
 * Opens a session for somebody who has proven who they are, and spends the proof in the same commit. Null: the record has changed since
 * it was read; judge again.
 */
export async function openProven(
  deps: Deps,
  user: Entry<User>,
  { amr, user: proven, events, mails }: Proof,
  { wish, answers }: { readonly wish: SessionWish; readonly answers?: Opening['answers'] },
  caller: Caller,
): Promise<Bearer | null> {
  const { id, knownAddresses } = user.value
  const isSeenFirst = knownAddresses.length > 0 && !isKnownAddress(deps, user.value, caller.network)
  const opening: Opening = {
    amr,
    event: 'login.succeeded',
    events,
    change: {
      ...proven,
      ...(proven.factors && { factors: sealedAnew(deps.authKeys, id, proven.factors) }),
      knownAddresses: addKnownAddress(deps, knownAddresses, caller),
      lastLoginAt: deps.clock(),
    },
    mails: [...mails, ...(isSeenFirst ? notice(deps, user.value, 'new-sign-in', caller) : [])],
    ...(answers && { answers }),
  }
  return openSession(deps, user, opening, wish, caller)
}

/** A challenge that somebody answers: of which user, after which proofs, and whether this is still that user. */
export interface Asked {
  readonly challengeId: string
  readonly userId: string
  readonly proven: readonly AuthMethod[]
  readonly isStill: (user: User) => boolean
}

/** What answering a challenge comes to. `dead`: the challenge is for nobody any more; `disabled`: by the operator. */
export type Answer = ({ readonly kind: 'ok' } & Bearer) | { readonly kind: 'wrong' | 'dead' | 'disabled' }

/**
 * Answers a challenge with a credential, which opens a session. The same challenge with the same credential again (the answer was lost)
 * gives the same session, while none of its tokens has come back. Throws TooMany after too many wrong answers.
 */
export async function answerChallenge(
  deps: Deps,
  asked: Asked,
  credential: Credential,
  wish: SessionWish,
  caller: Caller,
): Promise<Answer> {
  const { userId, challengeId } = asked
  const shown = credential.shown ?? ''
  const place = keys.answered(userId, challengeId)
  return untilWon(async () => {
    const [identity, user, answered] = await deps.store.getMany([keys.identity, keys.user(userId), place])
    demandIdentity(deps, identity, deps.keyring.identity())
    if (user === null || !asked.isStill(user.value)) return { kind: 'dead' }
    const { guard, fail } = credential.guesses(user.value, null)
    if (answered && wasShown(deps.authKeys, userId, answered.value, shown)) {
      const opened = await readUnseen(deps, { userId, sessionId: answered.value.sessionId }, wish)
      if (opened === null) return fail<Answer>({ kind: 'wrong' })
      return (await vouchFor(deps, user)) ? { kind: 'ok', ...opened } : null
    }
    await guard()
    const isSpent = answered !== null && credential.answers !== undefined
    const proof = isSpent ? null : await credential.judge(user.value)
    if (proof === null) return fail<Answer>({ kind: 'wrong' })
    await guard()
    if (user.value.disabled) return { kind: 'disabled' }
    const answers = { place: unchanged(place, answered), shown: digestShown(deps.authKeys, userId, shown) }
    const whole = { ...proof, amr: withMethods(asked.proven, proof.amr) }
    const opened = await openProven(deps, user, whole, { wish, answers }, caller)
    return opened && { kind: 'ok', ...opened }
  })
}

/**
 * The session that this opened before; null: one of its tokens has come back, so the answer was not lost, or it is over, or it is of
 * another transport, whose rules this request has not passed.
 */
async function readUnseen(deps: Deps, name: SessionName, { transport }: SessionWish): Promise<Bearer | null> {
  const own = await readOwnSession(deps, name)
  const isSame = own?.session.value.isUnseen && own.session.value.transport === transport
  return isSame ? bearerOf(own) : null
}
