import { createHash } from 'node:crypto'
import { untilWon } from '../auth/until-won.ts'
import type { Deps } from '../deps.ts'
import { type JsonObject, mergePatch } from '../domain/merge-patch.ts'
import { deadline, type SessionName, type SessionRecord, whyOver } from '../domain/session.ts'
import type { User } from '../domain/user.ts'
import { keys } from '../store/keys.ts'
import { type Entry, type Key, put, unchanged } from '../store/store.ts'

/**
 * A JSON object that a client keeps with the service, and its entity tag, RFC 9110 section 8.8.3: the same for the same
 * content.
 */
export interface Document {
  readonly value: JsonObject
  readonly etag: string
}

/** What a patch comes to. */
export type Patched =
  | { readonly kind: 'ok'; readonly document: Document }
  | { readonly kind: 'mismatch' } // If-Match names another content: somebody else has changed the document
  | { readonly kind: 'too_large' }
  | { readonly kind: 'over' } // the session or the user is gone

/** The key of a document, and the key of its owner, a session or a user: a document whose owner is gone is not written. */
export interface Place {
  readonly key: Key<JsonObject>
  readonly owner: Key<SessionRecord> | Key<User>
}

const MAX_BYTES = 16 * 1024

/** The place of the document of a session. */
export function sessionData({ userId, sessionId }: SessionName): Place {
  return { key: keys.sessionData(userId, sessionId), owner: keys.session(userId, sessionId) }
}

/** The place of the preferences of a user. */
export function preferences({ userId }: SessionName): Place {
  return { key: keys.preferences(userId), owner: keys.user(userId) }
}

/** Reads a document; `{}` until it is first patched. */
export async function readDocument({ store }: Deps, { key }: Place): Promise<Document> {
  return documentOf((await store.get(key))?.value ?? {})
}

/** Merges a patch into a document, RFC 7396, if `isWanted` accepts its present entity tag. Of concurrent patches none is lost. */
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

/** When the document expires: that of a session with its timeout, which each refresh puts off (`extendData`). */
function expiryOf({ moment }: Deps, session: SessionRecord): number | null {
  return session.kind === 'live' ? deadline(session, moment()).at : null
}

function documentOf(value: JsonObject): Document {
  const digest = createHash('sha256').update(JSON.stringify(value)).digest('base64url')
  return { value, etag: `"${digest.slice(0, 22)}"` }
}
