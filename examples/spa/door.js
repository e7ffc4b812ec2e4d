import { Refused } from './client/index.js'
import { arePasskeysSupported, canAutofill, loginWithPasskey } from './client/passkeys.js'
import { find, translate } from './dom.js'
import { Fault, onSubmit, showFault } from './forms.js'
import { client } from './latchkey.js'
import { closeProof, finishInTwoSteps } from './proof.js'
import { words } from './words.js'

const form = find('door')
const { email, password, remember } = form.elements
const passkeyDoor = find('passkey-door')
let isRegistering = false
let offered = new AbortController()

/** Shows the login form, with this address, and puts the focus there: whoever was inside has an account. */
export function openDoor(address = email.value) {
  if (isRegistering) turn()
  find('inside').hidden = true
  find('forgotten').hidden = true
  find('login').hidden = false
  find('outside').hidden = false
  email.value = address
  const first = address === '' ? email : password
  first.focus()
  void offerPasskeys()
}

/** Hides it, and forgets what was typed. */
export function closeDoor() {
  offered.abort()
  closeProof()
  emptyDoor()
  find('outside').hidden = true
}

/** Forgets what was typed, and what was said of it; returns the address. */
export function emptyDoor() {
  const address = email.value
  form.reset()
  showFault(form, '')
  showFault(passkeyDoor, '')
  return address
}

/** From logging in to registering, and back. */
function turn() {
  isRegistering = !isRegistering
  const [here, there] = isRegistering ? ['register', 'log_in'] : ['log_in', 'register']
  find('door-title').dataset.words = here
  form.querySelector('.primary').dataset.words = here
  find('other-door').dataset.words = there
  find('other-hint').dataset.words = isRegistering ? 'has_account' : 'no_account'
  find('password-hint').hidden = !isRegistering
  find('forgotten-hint').hidden = isRegistering
  password.autocomplete = isRegistering ? 'new-password' : 'current-password'
  showFault(form, '')
  translate()
}

/** Makes the form work. */
export function setUpDoor() {
  find('other-door').addEventListener('click', () => {
    turn()
    email.focus()
  })
  onSubmit(form, (values) => open(values).catch(lookAtDoor))
  onSubmit(passkeyDoor, () => {
    offered.abort()
    return openWithPasskey().catch(lookAtDoor)
  })
  passkeyDoor.hidden = !arePasskeysSupported()
  remember.addEventListener('change', () => void offerPasskeys())
}

async function open({ email: address, password: secret }) {
  offered.abort()
  const enter = isRegistering ? client.register : client.login
  try {
    await enter({ email: address, password: secret, remember: remember.checked })
  } catch (error) {
    if (error.code !== 'second_factor_required') throw error
    await finishInTwoSteps(error.problem)
  }
}

function lookAtDoor(error) {
  if (!find('outside').hidden) {
    password.focus()
    void offerPasskeys()
  }
  throw error
}

async function openWithPasskey(how) {
  try {
    await loginWithPasskey(client, { remember: remember.checked, ...how })
  } catch (error) {
    throw error instanceof Refused ? new Fault(words('fault_wrong_passkey')) : error
  }
}

// Where the address is typed, until the form is hidden, or another dialogue of passkeys is opened.
async function offerPasskeys() {
  offered.abort()
  const { signal } = (offered = new AbortController())
  if (!(await canAutofill()) || signal.aborted) return
  await openWithPasskey({ autofill: true, signal }).catch((error) => {
    if (error instanceof Fault) showFault(passkeyDoor, error.message) // what else happens is no matter of who types
  })
}
