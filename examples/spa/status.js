import { find } from './dom.js'
import { events } from './latchkey.js'
import { words } from './words.js'

let shown = null
let isAway = false

/** Says this to everybody, also to those who hear the page. */
export function say(key, values) {
  isAway = false
  shown = key === null ? null : [key, values]
  showStatus()
}

/** Says it again, in the language of now. */
export function showStatus() {
  find('status').textContent = shown === null ? '' : words(...shown)
  find('status').dataset.kind = isAway ? 'away' : 'note'
}

events.addEventListener('waiting', ({ detail: { status, seconds } }) => {
  say(status === 429 ? 'slow_down' : 'away', { seconds })
  isAway = true
  showStatus()
})

events.addEventListener('held', () => say('enrol_first'))

events.addEventListener('well', () => {
  if (isAway) say('well_again')
})
