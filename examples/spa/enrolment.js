import { Refused } from './client/index.js'
import { beginTotp, confirmTotp } from './client/factors.js'
import { addPasskey, arePasskeysSupported } from './client/passkeys.js'
import { find } from './dom.js'
import { digitsOf, explain, Fault, onSubmit, showFault } from './forms.js'
import { client, inSession } from './latchkey.js'
import { freshly } from './proof.js'
import { drawQr } from './qr.js'
import { nameOf } from './user-agent.js'
import { words } from './words.js'

const app = find('enrol-totp')
const passkey = find('add-passkey')

/** Shows the secret for an authenticator app: the same until the app is confirmed. */
export async function openEnrolment() {
  const { secret, uri } = await untilAnswered(() => beginTotp(client))
  find('qr').replaceChildren(drawQr(uri))
  find('secret').textContent = secret.match(/.{1,4}/g).join(' ')
  app.hidden = false
  app.elements.code.focus()
}

/** Hides it, and forgets what was typed. */
export function closeTotp() {
  app.reset()
  showFault(app, '')
  find('qr').replaceChildren()
  find('secret').textContent = ''
  app.hidden = true
}

/** Forgets all that is being added: the session is over. */
export function closeEnrolment() {
  closeTotp()
  passkey.reset()
  showFault(passkey, '')
}

/** Makes the forms work; `onDone` hears what was enrolled, and takes the answer. */
export function setUpEnrolment(onDone) {
  onSubmit(app, async ({ code }) => {
    const answer = await untilAnswered(() => confirmTotp(client, digitsOf(code))).catch(tellWrongCode)
    closeTotp()
    await onDone('done_totp', answer)
  })
  onSubmit(passkey, async ({ name }) => {
    const answer = await untilAnswered(() => addPasskey(client, name)).catch(tellNotAdded)
    passkey.reset()
    await onDone(answer.recovery_codes ? 'done_first_passkey' : 'done_passkey', answer)
  })
  find('cancel-totp').addEventListener('click', () => {
    closeTotp()
    find('factors-title').focus()
  })
  passkey.elements.name.defaultValue = nameOf(navigator.userAgent)
  passkey.hidden = !arePasskeysSupported()
}

/** Does what wants a fresh session, and again while the answer is lost: it may hold recovery codes, which are shown once. */
export function untilAnswered(act) {
  return freshly(() => inSession(() => act().catch(tellLimit)))
}

// Whoever has guessed too often waits for hours: that is an answer.
function tellLimit(error) {
  throw error.status === 429 ? new Fault(explain(error)) : error
}

// The browser's passkey is none that can be taken, or there are twenty.
function tellNotAdded(error) {
  const isPasskeys = error instanceof Refused && ['bad_request', 'code_invalid'].includes(error.code)
  throw isPasskeys ? new Fault(words('fault_add_passkey')) : error
}

function tellWrongCode(error) {
  const isWrong = error instanceof Refused && error.code === 'code_invalid'
  throw isWrong ? new Fault(words('fault_wrong_totp')) : error
}
