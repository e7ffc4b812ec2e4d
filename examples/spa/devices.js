import { button, fill, find, make } from './dom.js'
import { call } from './session.js'
import { say } from './status.js'
import { moment, words } from './words.js'

let sessions = []

/** Reads where this person is logged in. */
export async function loadDevices() {
  const answer = await call('GET', '/v1/sessions')
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

function nameOf(userAgent) {
  const browser = /Firefox|Edg|OPR|Chrome|Safari/.exec(userAgent)?.[0] ?? userAgent.slice(0, 20)
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(userAgent)?.[0]
  return system === undefined ? browser : `${browser}, ${system}`
}
