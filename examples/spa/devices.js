import { button, fill, find, make } from './dom.js'
import { call } from './latchkey.js'
import { say } from './status.js'
import { loadTrail } from './trail.js'
import { nameOf } from './user-agent.js'
import { moment, words } from './words.js'

let sessions = []

/** Reads where this person is logged in, and what has happened: whatever changes the one is told in the other. */
export async function loadDevices() {
  const [answer] = await Promise.all([call('GET', '/v1/sessions'), loadTrail()])
  if (answer.ok) sessions = answer.body.sessions
  showDevices()
}

/** Shows it, as last read. */
export function showDevices() {
  fill(find('devices'), sessions.map(showDevice))
}

/** Forgets it: the session is over. */
export function forgetDevices() {
  sessions = []
  showDevices()
}

function showDevice({ id, current, last_used_at: usedAt, user_agent: userAgent, ip, remember }) {
  const name = nameOf(userAgent)
  const facts = [ip, words('used', { time: moment(usedAt) })]
  if (remember) facts.push(words('remembered'))
  const text = make('div', {}, make('strong', {}, name), make('p', { className: 'hint' }, facts.join(' · ')))
  const label = words('log_out_at', { device: `${name}, ${facts.join(', ')}` })
  const end = current
    ? make('span', { className: 'badge' }, words('this_device'))
    : button(`end-${id}`, words('log_out_there'), label, () => void logOutThere(id).catch(() => {}))
  return make('li', { className: 'row' }, text, end)
}

async function logOutThere(id) {
  await call('DELETE', `/v1/sessions/${id}`) // 404: it has ended by itself
  say('done_there')
  await loadDevices()
}
