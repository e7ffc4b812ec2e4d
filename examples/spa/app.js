import { forgetUser, loadUser, setUpAccount, showUser, userEmail } from './account.js'
import { followLink, forgetAddress, setUpAddress, showVerification } from './address.js'
import { loadInstances, showBehind, showLife, watchLife } from './behind.js'
import { emptyCart, loadCart, reloadCart, showCart } from './cart.js'
import { forgetDevices, loadDevices, showDevices } from './devices.js'
import { find, translate } from './dom.js'
import { closeDoor, openDoor, setUpDoor } from './door.js'
import { forgetFactors, loadFactors, setUpFactors, showFactors } from './factors.js'
import { isResetting, openReset, setUpForgotten } from './forgotten.js'
import { client, patiently } from './latchkey.js'
import { hasLink, takeLink } from './link.js'
import { watchMailbox } from './mailbox.js'
import { closeProof, setUpProof } from './proof.js'
import { loadSettings, setUpSettings } from './settings.js'
import { say, showStatus } from './status.js'
import { forgetTrail, setUpTrail, showTrail } from './trail.js'
import { knows } from './words.js'

/** The session of this browser, and the one that is shown, which is none while a password is reset. */
let [current, shown] = [null, null]

/** A new session: of this tab's login, of another tab's, or one that a reload found. */
async function enter(sessionId) {
  if (shown !== null) forgetPerson() // another person's, perhaps
  const comesFromDoor = !find('outside').hidden
  shown = sessionId
  say(null)
  await Promise.all([loadUser(), loadSettings(sayAll), loadCart(sessionId), loadDevices(), loadFactors()])
  if (shown !== sessionId) return
  closeDoor()
  find('behind').prepend(find('mailbox'))
  find('inside').hidden = false
  if (comesFromDoor) find('welcome').focus()
  await followLink()
}

function leave(reason) {
  const [wasInside, email, why] = [shown !== null, userEmail(), overKey(reason)]
  shown = null
  forgetPerson()
  if (find('outside').hidden) openDoor(email)
  find('outside').append(find('mailbox'))
  if (wasInside || (why !== 'over' && !isResetting())) say(why)
}

function forgetPerson() {
  for (const forget of [closeProof, forgetUser, forgetAddress, emptyCart, forgetDevices, forgetFactors, forgetTrail])
    forget()
}

function overKey(reason) {
  if (reason.endsWith('_timeout')) return 'over_timeout'
  return knows(`over_${reason}`) ? `over_${reason}` : 'over'
}

function sayAll() {
  translate()
  for (const show of [showStatus, showUser, showCart, showDevices, showFactors, showTrail, showBehind, showLife]) show()
}

/** What other tabs and devices may have changed while nobody looked here. */
async function lookAgain() {
  if (shown === null || document.visibilityState !== 'visible') return
  await Promise.all([loadUser(), reloadCart(), loadSettings(sayAll), loadDevices(), loadFactors(), loadInstances()])
}

function enterCurrent() {
  if (current === null || current === shown || isResetting()) return
  enter(current).catch(() => {}) // over again already: `leave` has been called
}

client.subscribe(() => {
  const { status, sessionId = null, emailVerified, reason } = client.getSnapshot()
  current = sessionId
  if (status === 'out') return leave(reason)
  showVerification(emailVerified)
  enterCurrent()
})
document.addEventListener('visibilitychange', () => void lookAgain().catch(() => {}))

setUpSettings(sayAll, () => shown !== null)
setUpDoor()
setUpForgotten(enterCurrent)
setUpAccount()
setUpAddress()
setUpProof()
setUpFactors(lookAgain)
setUpTrail()
sayAll()
void loadInstances()
void watchMailbox()
const reset = takeLink('/reset-password')
if (reset !== null) openReset(reset)
void watchLife()
const isInside = await patiently(client.resume)
if (!isInside && hasLink()) say('link_waits')
