import { type Access, adopt, end, isDue, type Session, type Tabs } from './session.js'

/** What tabs tell each other, from memory to memory: nothing is stored. Each has a clock of its own: `left` is in ms. */
type Message =
  | { readonly kind: 'ask' }
  | { readonly kind: 'have' | 'new' | 'over'; readonly access: Access; readonly left: number; readonly reason?: string }

/** A tab that lives answers in a few ms, on a busy machine later. */
const ANSWER_MS = 250

/** Speaks with the other tabs; with none where there is no BroadcastChannel. */
export function joinTabs(session: Session): Tabs | undefined {
  if (!session.hasTabs) return undefined
  const { now } = session
  const channel = new BroadcastChannel(session.baseUrl)
  let onAnswer: (() => void) | undefined
  const tell = (kind: Message['kind'], access?: Access | null, reason?: string) =>
    channel.postMessage({ kind, access, left: access && access.expiresAt - now(), reason })

  channel.addEventListener('message', ({ data: { kind, access, left, reason } }) => {
    const own = session.access
    const isNews = () => access.token !== own?.token && (kind === 'new' || onAnswer)
    if (kind === 'ask') {
      if (!isDue(session)) tell('have', own)
    } else if (kind === 'over' ? access.sessionId === own?.sessionId : isNews()) {
      session.flight?.abort()
      if (kind === 'over') end(session, reason)
      else adopt(session, { ...access, expiresAt: now() + left })
      onAnswer?.()
    }
  })

  return {
    async ask() {
      tell('ask')
      await new Promise<void>((resolve) => {
        onAnswer = resolve
        setTimeout(resolve, ANSWER_MS)
      })
      onAnswer = undefined
    },
    tell,
    close: () => channel.close(),
  }
}
