import { Refused, Unavailable } from './client/index.js'
import { PasskeyCancelled } from './client/passkeys.js'
import { duration, knows, words } from './words.js'

/** What is wrong, in words. */
export class Fault extends Error {}

/**
 * Runs `submit` with the form's values, once at a time; shows what it throws, in words. What was said before in the same card goes.
 * Nothing is sent while a field is empty that must not be, or too short.
 */
export function onSubmit(form, submit) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    if (form.ariaBusy === 'true') return
    for (const each of form.closest('section').querySelectorAll('form')) showFault(each, '')
    if (!isFilledIn(form)) return
    form.ariaBusy = 'true'
    showFault(form, words('working'))
    const fault = await submit(Object.fromEntries(new FormData(form))).then(() => '', explain)
    form.ariaBusy = 'false'
    showFault(form, fault)
  })
}

/** Whether no field is empty that must not be, or too short; else says so, and puts the focus there. */
function isFilledIn(form) {
  const field = [...form.elements].find(({ validity }) => validity.valueMissing || validity.tooShort)
  if (field === undefined) return true
  field.focus()
  showFault(form, words(field.validity.tooShort ? 'password_hint' : 'fault_missing'))
  return false
}

/** Says what is wrong, in the form or card; nothing if it is empty. */
export function showFault(form, text) {
  form.querySelector('.fault').textContent = text
}

/** The digits of a code as it was typed: with spaces, or full-width. */
export function digitsOf(code) {
  return code.normalize('NFKC').replaceAll(/\s/g, '')
}

/** What a refusal means to a person; broken password rules in the service's own words, where we have none. */
export function explain(error) {
  if (error instanceof Fault) return error.message
  if (error instanceof Refused) return explainProblem(error.problem)
  if (error instanceof PasskeyCancelled) return words('fault_no_passkey')
  if (error instanceof DOMException)
    return words(error.name === 'InvalidStateError' ? 'fault_has_passkey' : 'fault_passkeys')
  if (!(error instanceof Unavailable)) return '' // the session is over, and the login form is shown
  if (error.status !== 429) return words('fault_away')
  return words('fault_too_many_requests', { time: duration(error.retryAfter) })
}

function explainProblem({ code, title, errors = [] }) {
  const rules = errors.filter(({ rule }) => rule !== undefined)
  if (rules.length > 0) return rules.map(explainRule).join(' ')
  return knows(`fault_${code}`) ? words(`fault_${code}`) : title
}

function explainRule({ rule, message }) {
  return knows(`rule_${rule}`) ? words(`rule_${rule}`) : message
}
