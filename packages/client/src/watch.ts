import { renew } from './renewal.js'
import { isDue, type Session } from './session.js'

const LOOK_MS = 1000

/**
 * Renews the token of a page that somebody looks at: one in the background must not keep a session from its idle timeout. While the
 * service is away it asks again when that said to; at once when the page wakes up. Returns what ends it.
 */
export function watch(session: Session): () => void {
  const waking = new AbortController()

  function look(): void {
    const isWanted = session.access ?? session.isAsked
    if (!isWanted || !isDue(session) || session.now() < session.quietUntil || document.hidden) return
    renew(session, session.access).catch(() => {})
  }
  function wake(): void {
    session.quietUntil = 0
    look()
  }
  const timer = setInterval(look, LOOK_MS)
  document.addEventListener('visibilitychange', wake, waking)
  for (const event of ['online', 'pageshow']) addEventListener(event, wake, waking)
  return () => {
    clearInterval(timer)
    waking.abort()
  }
}
