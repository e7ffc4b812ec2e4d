import { forgetUser, loadUser, setUpAccount, showUser } from './account.js'
import { loadInstances, showBehind, showLife } from './behind.js'
import { emptyCart, loadCart, reloadCart, showCart } from './cart.js'
import { forgetDevices, loadDevices, showDevices } from './devices.js'
import { find, translate } from './dom.js'
import { closeDoor, openDoor, setUpDoor } from './door.js'
import { events, resume } from './session.js'
import { loadSettings, setUpSettings } from './settings.js'
import { say, showStatus } from './status.js'

/** The session that is shown; null at the login form. */
let shown = null

/** A new session: of this tab's login, of another tab's, or one that a reload found. */
async function enter(sessionId) {
  const comesFromDoor = !find('outside').hidden
  shown = sessionId
  say(null)
  await Promise.all([loadUser(), loadSettings(sayAll), loadCart(sessionId), loadDevices()])
  if (shown !== sessionId) return
  closeDoor()
  find('inside').hidden = false
  if (comesFromDoor) find('welcome').focus()
}

function leave(reason) {
  const wasInside = shown !== null
  shown = null
  for (const forget of [forgetUser, emptyCart, forgetDevices]) forget()
  openDoor()
  if (wasInside) say(overKey(reason))
}

function overKey(reason) {
  if (reason.endsWith('_timeout')) return 'over_timeout'
  return ['password_changed', 'revoked', 'token_reused'].includes(reason) ? `over_${reason}` : 'over'
}

function sayAll() {
  translate()
  for (const show of [showStatus, showUser, showCart, showDevices, showBehind, showLife]) show()
}

/** What other tabs and devices may have changed while nobody looked here. */
async function lookAgain() {
  if (shown === null || document.visibilityState !== 'visible') return
  await Promise.all([reloadCart(), loadSettings(sayAll), loadDevices(), loadInstances()])
}

events.addEventListener('over', ({ detail }) => leave(detail.reason))
events.addEventListener('token', ({ detail }) => {
  if (detail.sessionId !== shown) enter(detail.sessionId).catch(() => {}) // over again already: `leave` has been called
})
document.addEventListener('visibilitychange', () => void lookAgain().catch(() => {}))

setUpSettings(sayAll, () => shown !== null)
setUpDoor()
setUpAccount()
sayAll()
void loadInstances()
await resume()
