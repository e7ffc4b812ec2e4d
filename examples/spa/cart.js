import { button, fill, find, make } from './dom.js'
import { call } from './latchkey.js'
import { words } from './words.js'

const DATA = '/v1/session/data'
const PRODUCTS = ['tea', 'honey', 'pears']
const thisVisit = newId()
const MOST_TRIES = 10

let session = null
let data = {}
let turn = Promise.resolve()

/** Counts this visit of the page, once, and shows what the session holds. */
export async function loadCart(sessionId) {
  session = sessionId
  data = await countVisit(sessionId)
  showCart()
}

// With If-Match: a visit that another tab counts at the same time is not lost. `last` tells our own from a lost answer.
async function countVisit(sessionId) {
  for (let tries = 1; ; tries++) {
    const { ok, body, headers } = await call('GET', DATA, { sessionId })
    if (!ok) return {}
    if (body.visits?.last === thisVisit) return body
    const visits = { count: (body.visits?.count ?? 0) + 1, last: thisVisit }
    const request = { sessionId, body: { visits }, headers: { 'if-match': headers.get('etag') } }
    const answer = await call('PATCH', DATA, request)
    if (answer.ok) return answer.body
    if (answer.status !== 412 || tries === MOST_TRIES) return body // the page does without
  }
}

/** Reads again what another tab may have changed. */
export async function reloadCart() {
  const answer = await call('GET', DATA)
  if (answer.ok) data = answer.body
  showCart()
}

// Each thing in the cart has a key of its own, so a merge patch sent twice, or by two tabs at once, loses and doubles nothing.
// It is of the session that was shown at the click, however long it waits for its turn.
function change(lines) {
  const sessionId = session
  turn = turn.then(() => patchCart(sessionId, lines)).catch(() => {}) // the session is over: the login form is shown
}

async function patchCart(sessionId, lines) {
  const answer = await call('PATCH', DATA, { sessionId, body: { cart: lines } })
  if (answer.ok) data = answer.body
  showCart()
}

function linesOf(product) {
  return Object.keys(data.cart ?? {}).filter((id) => data.cart[id] === product)
}

/** Shows the cart and the counter, as last heard of. */
export function showCart() {
  find('visits').textContent = words('visits', { count: data.visits?.count ?? 0 })
  find('cart-total').textContent = words('cart_total', { count: Object.keys(data.cart ?? {}).length })
  fill(find('cart'), PRODUCTS.map(showProduct))
}

function showProduct(product) {
  const name = words(product)
  const lines = linesOf(product)
  const remove = button(`remove-${product}`, '−', words('remove', { product: name }), () =>
    change(
      Object.fromEntries(
        linesOf(product)
          .slice(-1)
          .map((id) => [id, null]),
      ),
    ),
  )
  const add = button(`add-${product}`, '+', words('add', { product: name }), () => change({ [newId()]: product }))
  remove.disabled = lines.length === 0
  const count = make('span', { className: 'count', textContent: lines.length })
  return make(
    'li',
    { className: 'row' },
    make('span', {}, name),
    make('span', { className: 'stepper' }, remove, count, add),
  )
}

/** Forgets it: the session is over. */
export function emptyCart() {
  data = {}
  showCart()
}

function newId() {
  return crypto.randomUUID().slice(0, 8)
}
