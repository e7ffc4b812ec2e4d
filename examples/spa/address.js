import { loadUser } from './account.js'
import { Refused } from './client/index.js'
import { loadDevices } from './devices.js'
import { find, translate } from './dom.js'
import { digitsOf, onSubmit, showFault } from './forms.js'
import { client, inSession } from './latchkey.js'
import { takeLink } from './link.js'
import { freshly } from './proof.js'
import { say } from './status.js'
import { spoken } from './words.js'

const verify = find('verify')
const [change, confirm] = [find('change-email'), find('confirm-email')]

/** What the links of mails, and their codes, are for. */
const VERIFICATION = { place: '/verify-email', prove: client.verifyEmail, done: 'done_verified' }
const CHANGE = { place: '/change-email', prove: client.confirmEmail, done: 'done_email' }

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
  for (const { place, prove, done } of [VERIFICATION, CHANGE]) {
    const token = takeLink(place)
    if (token !== null) await inSession(() => prove({ token })).then(() => tellDone(done), sayRefusal)
  }
}

function sayRefusal(error) {
  if (!(error instanceof Refused)) throw error
  say(error.status === 409 ? 'fault_email_taken' : 'fault_link_invalid')
}

async function tellDone(done) {
  say(done)
  await Promise.all([loadUser(), loadDevices()])
}

async function askForVerification() {
  if ((await client.requestVerification({ locale: spoken() })) === 204) {
    showVerification(true) // on another device
    say(VERIFICATION.done)
    return
  }
  showCodeField(true)
  verify.elements.code.focus()
}

async function askForChange({ new_email }) {
  await freshly(() => client.changeEmail({ new_email, locale: spoken() }))
  confirm.hidden = false
  confirm.elements.code.focus()
}

function takeCode(form, { prove, done }, onDone) {
  onSubmit(form, async ({ code }) => {
    await prove({ code: digitsOf(code) })
    form.reset()
    onDone()
    await tellDone(done)
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
