import { Refused } from './client/index.js'
import { beginTotp, confirmTotp } from './client/factors.js'
import { addPasskey, arePasskeysSupported } from './client/passkeys.js'
import { find } from './dom.js'
import { digitsOf, Fault, onSubmit, showFault } from './forms.js'
import { client } from './latchkey.js'
import { freshly } from './proof.js'
import { drawQr } from './qr.js'
import { nameOf } from './user-agent.js'
import { words } from './words.js'

const app = find('enrol-totp')
const passkey = find('add-passkey')

/** Shows the secret for an authenticator app: the same until the app is confirmed. */
export async function openEnrolment() {
  const { secret, uri } = await freshly(() => beginTotp(client))
  find('qr').replaceChildren(drawQr(uri))
  find('secret').textContent = secret.match(/.{1,4}/g).join(' ')
  app.hidden = false
  app.elements.code.focus()
}

/** Hides it, and forgets what was typed. */
export function closeEnrolment() {
  for (const form of [app, passkey]) {
    form.reset()
    showFault(form, '')
  }
  find('qr').replaceChildren()
  find('secret').textContent = ''
  app.hidden = true
}

/** Makes the forms work; `onDone` hears what was enrolled, and takes the answer. */
export function setUpEnrolment(onDone) {
  onSubmit(app, async ({ code }) => {
    const answer = await freshly(() => confirmTotp(client, digitsOf(code))).catch(tellWrongCode)
    closeEnrolment()
    await onDone('done_totp', answer)
  })
  onSubmit(passkey, async ({ name }) => {
    const answer = await freshly(() => addPasskey(client, name))
    passkey.reset()
    await onDone('done_passkey', answer)
  })
  find('cancel-totp').addEventListener('click', () => {
    closeEnrolment()
    find('factors-title').focus()
  })
  passkey.elements.name.defaultValue = nameOf(navigator.userAgent)
  passkey.hidden = !arePasskeysSupported()
}

function tellWrongCode(error) {
  const isWrong = error instanceof Refused && error.code === 'code_invalid'
  throw isWrong ? new Fault(words('fault_wrong_totp')) : error
}
