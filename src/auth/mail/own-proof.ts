import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { readToken, type SecretOwner, type Shown } from '../../domain/one-time-secret.ts'
import { readUser } from '../accounts/users.ts'
import type { Bearer } from '../tokens/issue.ts'
import { refuse } from './secrets.ts'

/** What a caller who is logged in shows of a mail: the token of its link, or its code. */
export type OwnProof = { readonly token: string } | { readonly code: string }

/** What that comes to: done, a secret that is no good, or a session that is over. */
export type OwnConfirmed = ({ readonly kind: 'ok' } & Bearer) | { readonly kind: 'invalid' } | { readonly kind: 'over' }

/** Reads what the caller shows and hands it to `take`; what is no good is recorded, and counted if it is a code. */
export async function takeOwnProof<T extends { readonly kind: string }>(
  deps: Deps,
  owner: SecretOwner,
  proof: OwnProof,
  caller: Caller,
  take: (shown: Shown) => Promise<T>,
): Promise<T | { readonly kind: 'invalid' }> {
  const shown = readOwnProof(deps, owner, proof)
  const taken = shown && (await take(shown))
  if (taken !== null && taken.kind !== 'invalid') return taken
  const account = shown?.kind === 'code' ? await readUser(deps, owner.userId) : null
  const emailKey = account?.emailKey ?? ''
  return refuse(deps, owner, { shown, emailKey }, caller)
}

/** Reads what is shown; null: a token that is none of ours, or of another user or purpose. No I/O. */
function readOwnProof({ authKeys }: Deps, { userId, purpose }: SecretOwner, proof: OwnProof): Shown | null {
  if ('code' in proof) return { kind: 'code', code: proof.code }
  const read = readToken(authKeys, proof.token, purpose)
  return read?.userId === userId ? read.shown : null
}
