import { loadUser } from './account.js'
import { patiently } from './calls.js'
import { loadDevices } from './devices.js'
import { find, translate } from './dom.js'
import { digitsOf, explain, onSubmit, showFault } from './forms.js'
import { takeLink } from './link.js'
import { post } from './session.js'
import { say } from './status.js'
import { spoken } from './words.js'

const verify = find('verify')
const [change, confirm] = [find('change-email'), find('confirm-email')]
const stepUp = find('step-up')

/** What the links of mails, and their codes, are for. */
const VERIFICATION = { place: '/verify-email', path: '/v1/email/verify', done: 'done_verified' }
const CHANGE = { place: '/change-email', path: '/v1/email/change/confirm', done: 'done_email' }

/** Shows the banner while the address is not verified, as the access token says. */
export function showVerification(isVerified) {
  const banner = find('verification')
  const hasFocus = banner.contains(document.activeElement)
  banner.hidden = isVerified
  if (isVerified && hasFocus) find('welcome').focus()
}

/** Forgets what was typed: the session is over. */
export function forgetAddress() {
  for (const form of [verify, change, confirm]) form.reset()
  for (const form of [find('ask-verify'), verify, change, confirm]) showFault(form, '')
  confirm.hidden = true
  stepUp.hidden = true
  showCodeField(false)
}

/** Shows where the code of the mail is typed, once a mail is on its way. */
function showCodeField(isAsked) {
  verify.hidden = !isAsked
  find('verify-hint').dataset.words = isAsked ? 'mail_sent' : 'verify_hint'
  translate()
}

/** Does what the link of a mail is for, if one waits: also one that was opened before the login. */
export async function followLink() {
  for (const { place, path, done } of [VERIFICATION, CHANGE]) {
    const token = takeLink(place)
    if (token === null) continue
    const answer = await patiently(() => post(path, { token }))
    if (answer.ok) await tellDone(done)
    else say(answer.status === 409 ? 'fault_email_taken' : 'fault_link_invalid')
  }
}

async function tellDone(done) {
  say(done)
  await Promise.all([loadUser(), loadDevices()])
}

async function askForVerification() {
  const answer = await post('/v1/email/verification', { locale: spoken() })
  if (!answer.ok) return explain(answer)
  if (answer.status === 204) {
    showVerification(true) // on another device
    say(VERIFICATION.done)
    return null
  }
  showCodeField(true)
  verify.elements.code.focus()
  return null
}

async function askForChange({ new_email, password }) {
  const proof = stepUp.hidden ? null : await post('/v1/step-up', { password })
  if (proof?.ok === false) return askForPassword(explain(proof))
  const answer = await post('/v1/email/change', { new_email, locale: spoken() })
  if (answer.body?.code === 'step_up_required') return askForPassword(null)
  if (!answer.ok) return explain(answer)
  stepUp.hidden = true
  change.elements.password.value = ''
  confirm.hidden = false
  confirm.elements.code.focus()
  return null
}

function askForPassword(fault) {
  stepUp.hidden = false
  change.elements.password.focus()
  return fault
}

function takeCode(form, { path, done }, onDone) {
  onSubmit(form, async ({ code }) => {
    const answer = await post(path, { code: digitsOf(code) })
    if (!answer.ok) return explain(answer)
    form.reset()
    onDone()
    await tellDone(done)
    return null
  })
}

/** Makes the forms of the address work. */
export function setUpAddress() {
  onSubmit(find('ask-verify'), askForVerification)
  onSubmit(change, askForChange)
  takeCode(verify, VERIFICATION, () => {}) // the token that comes with the answer hides the banner
  takeCode(confirm, CHANGE, () => {
    find('address-title').focus()
    forgetAddress()
  })
}
