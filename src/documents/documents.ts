import { createHash } from 'node:crypto'
import { untilWon } from '../auth/until-won.ts'
import type { Deps } from '../deps.ts'
import { type JsonObject, mergePatch } from '../domain/merge-patch.ts'
import { deadline, type SessionName, type SessionRecord, whyOver } from '../domain/session.ts'
import type { User } from '../domain/user.ts'
import { keys } from '../store/keys.ts'
import { type Entry, type Key, put, unchanged } from '../store/store.ts'

/** A JSON object a client keeps with us, and its entity tag (RFC 9110 section 8.8.3), the same for the same content. */
export interface Document {
  readonly value: JsonObject
  readonly etag: string
}

export type Patched =
  | { readonly kind: 'ok'; readonly document: Document }
  | { readonly kind: 'mismatch' } // somebody else was first
  | { readonly kind: 'too_large' }
  | { readonly kind: 'over' } // the session or the user is gone

/** Where a document lives and what it belongs to: it is never written once its owner is gone. */
export interface Place {
  readonly key: Key<JsonObject>
  readonly owner: Key<SessionRecord> | Key<User>
}

const MAX_BYTES = 16 * 1024

/** The session's own document. */
export function sessionData({ userId, sessionId }: SessionName): Place {
  return { key: keys.sessionData(userId, sessionId), owner: keys.session(userId, sessionId) }
}

/** The user's document. */
export function preferences({ userId }: SessionName): Place {
  return { key: keys.preferences(userId), owner: keys.user(userId) }
}

/** The document, `{}` at first. */
export async function readDocument({ store }: Deps, { key }: Place): Promise<Document> {
  return documentOf((await store.get(key))?.value ?? {})
}

/** Merges a patch into the document; with `isWanted`, only if it says yes to the entity tag that stands. None of concurrent patches is lost. */
export async function patchDocument(
  deps: Deps,
  { key, owner }: Place,
  patch: JsonObject,
  isWanted: (etag: string) => boolean,
): Promise<Patched> {
  return untilWon<Patched>(async () => {
    const [kept, entry] = await deps.store.getMany([owner as Key<SessionRecord | User>, key])
    if (kept === null || isOver(deps, kept)) return { kind: 'over' }
    const value = entry?.value ?? {}
    if (!isWanted(documentOf(value).etag)) return { kind: 'mismatch' }
    const next = mergePatch(value, patch) as JsonObject
    if (Buffer.byteLength(JSON.stringify(next)) > MAX_BYTES) return { kind: 'too_large' }
    const isWon = await deps.store.commit({
      checks: [kept, unchanged(key, entry)],
      puts: [put(key, next, 'kind' in kept.value ? expiryOf(deps, kept.value) : null)],
      deletes: [],
    })
    return isWon ? { kind: 'ok', document: documentOf(next) } : null
  })
}

function isOver({ moment }: Deps, { value }: Entry<SessionRecord | User>): boolean {
  return 'kind' in value && whyOver(value, moment()) !== null
}

/** The session's data go when it times out: each refresh puts that off (session-writes.ts). */
function expiryOf({ moment }: Deps, session: SessionRecord): number | null {
  return session.kind === 'live' ? deadline(session, moment()).at : null
}

function documentOf(value: JsonObject): Document {
  const digest = createHash('sha256').update(JSON.stringify(value)).digest('base64url')
  return { value, etag: `"${digest.slice(0, 22)}"` }
}
