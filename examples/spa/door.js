import { find, translate } from './dom.js'
import { onSubmit, showFault } from './forms.js'
import { client } from './latchkey.js'

const form = find('door')
const { email, password } = form.elements
let isRegistering = false

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
}

/** Hides it, and forgets what was typed. */
export function closeDoor() {
  emptyDoor()
  find('outside').hidden = true
}

/** Forgets what was typed, and what was said of it; returns the address. */
export function emptyDoor() {
  const address = email.value
  form.reset()
  showFault(form, '')
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
  onSubmit(form, async ({ email: address, password: secret, remember }) => {
    const open = isRegistering ? client.register : client.login
    await open({ email: address, password: secret, remember: remember === 'on' }).catch((error) => {
      password.focus()
      throw error
    })
  })
}
