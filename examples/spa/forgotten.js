import { find, translate } from './dom.js'
import { emptyDoor, openDoor } from './door.js'
import { digitsOf, onSubmit, showFault } from './forms.js'
import { client } from './latchkey.js'
import { say } from './status.js'
import { spoken, words } from './words.js'

const card = find('forgotten')
const [ask, reset] = [find('forgot'), find('reset')]
const { code, new_password: password } = reset.elements

/** The token of the link that was opened; null: the code is asked for. */
let token = null

/** Whether somebody is at it: nothing else is shown in this tab then. */
export const isResetting = () => !card.hidden && !find('outside').hidden

/** Asks for the address that the mail goes to. */
function askFor(email, fault = '') {
  token = null
  show(ask)
  ask.elements.email.value = email
  showFault(ask, fault)
  ask.elements.email.focus()
}

/** Asks for the new password: a link was opened. */
export function openReset(link) {
  token = link
  show(reset)
  password.focus()
}

/** Shows only these of the forms. */
function show(...forms) {
  for (const form of [ask, reset]) form.hidden = !forms.includes(form)
  find('reset-code').hidden = token !== null
  code.required = token === null
  find('reset-hint').dataset.words = token === null ? 'forgot_sent' : 'reset_by_link'
  find('login').hidden = true
  find('outside').hidden = false
  card.hidden = false
  translate()
}

function close(email) {
  token = null
  for (const form of [ask, reset]) {
    form.reset()
    showFault(form, '')
  }
  openDoor(email || undefined) // by a link: the browser may have filled in whose it is
}

async function askForMail({ email }) {
  await client.forgotPassword({ email, locale: spoken() })
  show(ask, reset)
  reset.elements.email.value = email
  code.focus()
}

// Sent again after a lost answer, the same is answered the same.
async function resetPassword({ email, code: typed, new_password }) {
  const proof = token === null ? { email, code: digitsOf(typed) } : { token }
  try {
    await client.resetPassword({ ...proof, new_password })
  } catch (error) {
    const isInvalid = error.code === 'code_invalid'
    if (isInvalid && token !== null) return askFor('', words('fault_link_invalid'))
    const first = isInvalid ? code : password
    first.focus()
    throw error
  }
  close(email)
  say('done_reset')
}

/** Makes the forms work; `onBack` hears that the login form is shown again. */
export function setUpForgotten(onBack) {
  find('forgot-password').addEventListener('click', () => {
    say(null)
    askFor(emptyDoor())
  })
  find('back-to-log-in').addEventListener('click', () => {
    close(ask.elements.email.value)
    onBack()
  })
  onSubmit(ask, askForMail)
  onSubmit(reset, resetPassword)
}
