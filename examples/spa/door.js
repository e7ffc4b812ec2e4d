import { find } from './dom.js'
import { explain, onSubmit, showFault } from './forms.js'
import { authenticate } from './session.js'

const form = find('door')
const { email, password } = form.elements
let isRegistering = false

/** Shows the login form, and puts the focus there. */
export function openDoor() {
  find('inside').hidden = true
  find('outside').hidden = false
  const first = email.value === '' ? email : password
  first.focus()
}

/** Hides it, and forgets what was typed. */
export function closeDoor() {
  form.reset()
  showFault(form, '')
  find('outside').hidden = true
}

/** Says the same in other words: call `translate` afterwards. */
function turn() {
  isRegistering = !isRegistering
  const [here, there] = isRegistering ? ['register', 'log_in'] : ['log_in', 'register']
  find('door-title').dataset.words = here
  form.querySelector('.primary').dataset.words = here
  find('other-door').dataset.words = there
  find('other-hint').dataset.words = isRegistering ? 'has_account' : 'no_account'
  find('password-hint').hidden = !isRegistering
  password.autocomplete = isRegistering ? 'new-password' : 'current-password'
  showFault(form, '')
}

/** Makes the form work. */
export function setUpDoor(translate) {
  find('other-door').addEventListener('click', () => {
    turn()
    translate()
    email.focus()
  })
  onSubmit(form, async ({ email: address, password: secret, remember }) => {
    const path = isRegistering ? '/v1/register' : '/v1/login'
    const answer = await authenticate(path, { email: address, password: secret, remember: remember === 'on' })
    if (answer.ok) return null
    password.focus()
    return explain(answer)
  })
}
