import { loadDevices } from './devices.js'
import { find } from './dom.js'
import { Unavailable } from './client/index.js'
import { Fault, onSubmit } from './forms.js'
import { call, client, inSession } from './latchkey.js'
import { freshly } from './proof.js'
import { say } from './status.js'
import { words } from './words.js'

const form = find('change')
let user = null

/** Reads who is logged in. */
export async function loadUser() {
  const answer = await call('GET', '/v1/me')
  if (answer.ok) user = answer.body
  showUser()
}

/** Shows it. */
export function showUser() {
  find('welcome').textContent = user === null ? '' : words('welcome', { name: user.email.split('@')[0] })
  form.elements.email.value = user?.email ?? ''
  find('address').textContent = user?.email ?? ''
}

/** The address of who is logged in; undefined if nobody is. */
export const userEmail = () => user?.email

/** Forgets it: the session is over. */
export function forgetUser() {
  user = null
  form.reset()
  showUser()
}

const logOut = (scope) => inSession(() => client.logout({ scope }))

async function logOutOthers() {
  await logOut('others')
  say('done_others')
  await loadDevices()
}

/** Makes the buttons and the form of the account work. */
export function setUpAccount() {
  find('log-out').addEventListener('click', () => void logOut('session').catch(() => {}))
  find('log-out-all').addEventListener('click', () => void logOut('all').catch(() => {}))
  find('log-out-others').addEventListener('click', () => void logOutOthers().catch(() => {}))
  onSubmit(form, async ({ current_password, new_password }) => {
    await freshly(() => client.changePassword({ current_password, new_password })).catch(sayDoubt)
    form.reset()
    showUser()
    say('done_password')
    await loadDevices()
  })
}

// The password may have been changed before the answer was lost.
function sayDoubt(error) {
  if (error instanceof Unavailable && error.status !== 429) throw new Fault(words('fault_in_doubt'))
  throw error
}
