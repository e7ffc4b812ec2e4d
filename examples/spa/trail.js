import { fill, find, make } from './dom.js'
import { client, inSession } from './latchkey.js'
import { nameOf } from './user-agent.js'
import { knows, moment, words } from './words.js'

const PAGE = 10
const MOST = 100

let trail = []
let next

/** Reads what has happened to the account: the newest, and as many as were shown. */
export async function loadTrail() {
  await read({ limit: Math.min(MOST, Math.max(PAGE, trail.length)) }, [])
}

async function readOlder() {
  await read({ limit: PAGE, cursor: next }, trail)
}

async function read(page, before) {
  const found = await inSession(() => client.events(page)).catch(unlessHeld)
  ;[trail, next] = [[...before, ...found.events], found.next]
  showTrail()
}

// A session that must enrol a second factor first is shown none.
function unlessHeld(error) {
  if (error.code === 'step_up_required') return { events: [] }
  throw error
}

/** Shows it, as last read. */
export function showTrail() {
  const older = find('older')
  const hadFocus = older === document.activeElement
  fill(find('trail'), trail.map(showEvent))
  older.hidden = next === undefined
  if (hadFocus && older.hidden) find('trail-title').focus()
}

/** Forgets it: the session is over. */
export function forgetTrail() {
  ;[trail, next] = [[], undefined]
  showTrail()
}

/** Makes the button for older events work. */
export function setUpTrail() {
  find('older').addEventListener('click', () => void readOlder().catch(() => {}))
}

function showEvent(happened) {
  const { at, by, ip, user_agent: userAgent } = happened
  const who = by === undefined ? [userAgent && nameOf(userAgent), ip] : [words('by_operator')]
  const facts = [moment(at), ...who, ...whichLogin(happened)].filter(Boolean)
  const what = make('strong', {}, wordsOf(happened))
  return make('li', {}, what, make('p', { className: 'hint' }, facts.join(' · ')))
}

/** An event or a reason that this page has never heard of is told by its name. */
function wordsOf({ event, reason }) {
  const [exact, about] = [`ended_${reason}`, `event_${event.replaceAll('.', '_')}`]
  if (knows(exact)) return words(exact)
  return knows(about) ? words(about) : event
}

/** When the session that has ended began, if that is shown, too. */
function whichLogin({ event, session_id: sessionId }) {
  if (event !== 'session.ended') return []
  const began = trail.find((other) => other.session_id === sessionId && /^login|registered$/.test(other.event))
  return began === undefined ? [] : [words('login_of', { time: moment(began.at) })]
}
