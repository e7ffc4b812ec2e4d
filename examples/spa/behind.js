import { button, fill, find, make } from './dom.js'
import { client, events, patiently } from './latchkey.js'
import { words } from './words.js'

const KEPT = 7
const LOOK_MS = 500
const calls = []
const answered = new Map()
let instances = null // known only where the demo offers its buttons
let life = null

events.addEventListener('answer', ({ detail }) => {
  calls.unshift(detail)
  calls.length = Math.min(calls.length, KEPT)
  if (detail.instance !== null) answered.set(detail.instance, (answered.get(detail.instance) ?? 0) + 1)
  showBehind()
})
events.addEventListener('waiting', () => void loadInstances())
events.addEventListener('well', showBehind)

/** Keeps an access token while somebody looks, and shows how long it lasts. */
export async function watchLife() {
  for (let known; ; await new Promise((resolve) => setTimeout(resolve, LOOK_MS))) {
    const isInside = client.getSnapshot().status === 'in' && document.visibilityState === 'visible'
    const token = isInside ? await patiently(client.token).catch(() => known) : known
    if (token !== known) life = lifeOf(token)
    known = token
    showLife()
  }
}

// By this clock, which may be wrong by a day: only how long it lives is taken from the token.
function lifeOf(token) {
  const { iat, exp } = JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')))
  return { from: performance.now(), until: performance.now() + (exp - iat) * 1000 }
}

/** Asks the demo which instances are up; nothing where there is no demo. */
export async function loadInstances() {
  await command('GET', '')
}

async function command(method, path) {
  const answer = await fetch(`/demo/instances${path}`, { method }).catch(() => null)
  if (answer?.ok) instances = (await answer.json()).instances
  showBehind()
}

/** Shows which instance answered what. */
export function showBehind() {
  const shown =
    instances ?? [...answered.keys()].toSorted((one, other) => one.localeCompare(other)).map((name) => ({ name }))
  fill(find('instances'), shown.map(showInstance))
  find('calls').replaceChildren(...calls.map(showCall))
}

function showInstance({ name, is_up: isUp = true }) {
  const dot = make('span', { className: 'dot', data: { kind: isUp ? 'up' : 'down' } })
  const facts = [words(isUp ? 'up' : 'down'), words('answered', { count: answered.get(name) ?? 0 })]
  const title = make('div', {}, make('strong', {}, words('instance', { name })))
  title.append(make('p', { className: 'hint' }, facts.join(' · ')))
  const row = make('li', { className: 'row', data: { instance: name } }, dot, title)
  if (instances === null) return row
  const [text, label, verb] = isUp ? ['kill', 'kill_it', 'kill'] : ['restart', 'restart_it', 'start']
  row.append(
    button(`instance-${name}`, words(text), words(label, { name }), (event) => {
      event.target.disabled = true
      void command('POST', `/${name}/${verb}`)
    }),
  )
  return row
}

function showCall({ method, path, status, instance }) {
  const kind = status < 400 ? 'fine' : 'refused'
  const result = make('span', { className: 'muted', data: { kind } }, `${status} · ${instance ?? '–'}`)
  return make('li', { className: 'row' }, make('code', {}, `${method} ${path}`), result)
}

/** Shows how long the access token lasts. */
export function showLife() {
  if (life === null) return
  const left = Math.max(0, life.until - performance.now())
  find('life').value = left / (life.until - life.from)
  const seconds = Math.ceil(left / 1000)
  find('countdown').textContent = seconds > 0 ? words('renews_in', { seconds }) : words('renewing')
}
