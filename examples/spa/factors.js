import { listFactors, removePasskey, removeTotp, renewRecoveryCodes } from './client/factors.js'
import { forgetCodes, setUpCodes, showCodes } from './codes.js'
import { button, fill, find, make } from './dom.js'
import { closeEnrolment, closeTotp, openEnrolment, setUpEnrolment, untilAnswered } from './enrolment.js'
import { explain, showFault } from './forms.js'
import { client, inSession } from './latchkey.js'
import { say } from './status.js'
import { moment, words } from './words.js'

const card = find('second-factors')
let factors = null
let readAgain

/** Reads what this person has enrolled. */
export async function loadFactors() {
  factors = await inSession(() => listFactors(client))
  if (!hasFactor(factors)) forgetCodes() // they went with the last one
  if (factors.totp) closeTotp() // another tab was first
  showFactors()
}

function hasFactor({ totp, passkeys }) {
  return totp || passkeys.length > 0
}

/** Shows it, as last read. */
export function showFactors() {
  if (factors === null) return fill(find('factors'), [])
  const { totp, recovery_codes_left: left, passkeys } = factors
  const rows = [showTotp(totp), ...passkeys.map(showPasskey)]
  if (hasFactor(factors)) rows.push(showCodesLeft(left))
  fill(find('factors'), rows)
}

/** Forgets it, and what was shown once: the session is over. */
export function forgetFactors() {
  factors = null
  showFault(card, '')
  closeEnrolment()
  forgetCodes()
  showFactors()
}

/** Makes what is enrolled here work; `onChange` reads again what a factor may have opened or ended. */
export function setUpFactors(onChange) {
  readAgain = onChange
  setUpEnrolment(takeChange)
  setUpCodes()
}

/** What has changed is said, and read again; ten recovery codes, if there are new ones, are shown once. */
async function takeChange(done, { recovery_codes: codes } = {}) {
  say(done)
  if (codes !== undefined) showCodes(codes)
  await readAgain()
}

function showTotp(isOn) {
  if (!isOn) return row('totp', words('totp'), words('totp_off'), ['set_up', words('set_up_totp'), openEnrolment])
  return row(
    'totp',
    words('totp'),
    words('totp_on'),
    removal(words('totp'), () => removeTotp(client)),
  )
}

function showPasskey({ id, name, created_at: madeAt, last_used_at: usedAt, backed_up: isBackedUp }) {
  const facts = [words('made', { time: moment(madeAt) })]
  if (usedAt !== null) facts.push(words('used', { time: moment(usedAt) }))
  if (isBackedUp) facts.push(words('backed_up'))
  return row(
    id,
    name,
    facts.join(' · '),
    removal(name, () => removePasskey(client, id)),
  )
}

function showCodesLeft(left) {
  return row('codes', words('recovery_codes'), words('codes_left', { count: left }), [
    'renew',
    words('renew_codes'),
    renewCodes,
  ])
}

async function renewCodes() {
  await takeChange('done_codes', await untilAnswered(() => renewRecoveryCodes(client)))
}

function removal(name, remove) {
  return [
    'remove_factor',
    words('remove_named', { name }),
    () => untilAnswered(remove).then(() => takeChange('done_removed')),
  ]
}

function row(name, title, facts, [text, label, act]) {
  const about = make('div', {}, make('strong', {}, title), make('p', { className: 'hint' }, facts))
  return make(
    'li',
    { className: 'row' },
    about,
    button(`factor-${name}`, words(text), label, () => void tryTo(act)),
  )
}

async function tryTo(act) {
  showFault(card, words('working'))
  showFault(card, await act().then(() => '', explain))
}
