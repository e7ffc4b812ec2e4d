// The tabs of one browser share one cookie: what changes it takes turns, and an access token that one tab has been
// given it hands to the others. By message, from memory to memory: nothing is stored.

const TURN = 'latchkey-turn'
const TAB = 'latchkey-tab'
const PATIENCE_MS = 2000

const channel = new BroadcastChannel('latchkey')
let onAnswer = () => {}

// Held for as long as the tab lives, so that another one can count it.
void navigator.locks.request(TAB, { mode: 'shared' }, () => new Promise(() => {}))

/** Runs `work` while no other tab runs its own. */
export function alone(work) {
  return navigator.locks.request(TURN, work)
}

/** Answers the other tabs with `current()`, and gives what they send to `adopt`. */
export function listen(current, adopt) {
  channel.addEventListener('message', ({ data }) => {
    if (data.asks) return share(current())
    if (data.access !== null) adopt(data.access)
    onAnswer()
  })
}

/** Hands an access token, or null, to the other tabs. */
export function share(access) {
  channel.postMessage({ access })
}

/** Resolves when every other tab has said what it holds; a frozen one is not waited for long. */
export async function askOthers() {
  const { held } = await navigator.locks.query()
  let others = held.filter(({ name }) => name === TAB).length - 1
  if (others <= 0) return
  await new Promise((resolve) => {
    setTimeout(resolve, PATIENCE_MS)
    onAnswer = () => --others === 0 && resolve()
    channel.postMessage({ asks: true })
  })
}
