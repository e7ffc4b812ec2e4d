import { loadDevices } from './devices.js'
import { find } from './dom.js'
import { explain, onSubmit } from './forms.js'
import { call, logout, post } from './session.js'
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

async function logOutOthers() {
  const { ok } = await logout('others')
  if (!ok) return
  say('done_others')
  await loadDevices()
}

/** Makes the buttons and the form of the account work. */
export function setUpAccount() {
  find('log-out').addEventListener('click', () => void logout('session').catch(() => {}))
  find('log-out-all').addEventListener('click', () => void logout('all').catch(() => {}))
  find('log-out-others').addEventListener('click', () => void logOutOthers().catch(() => {}))
  onSubmit(form, async ({ current_password, new_password }) => {
    const answer = await post('/v1/password', { current_password, new_password })
    if (answer.status === 0 || answer.status === 503) return words('fault_in_doubt')
    if (!answer.ok) return explain(answer)
    form.reset()
    showUser()
    say('done_password')
    await loadDevices()
    return null
  })
}
