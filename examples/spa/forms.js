import { duration, knows, words } from './words.js'

/**
 * Runs `submit` with the form's values, once at a time; shows the fault that it returns, or null. What was said before in the same
 * card goes. Nothing is sent while a field is empty that must not be, or too short.
 */
export function onSubmit(form, submit) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    if (form.ariaBusy === 'true') return
    for (const each of form.closest('section').querySelectorAll('form')) showFault(each, '')
    if (!isFilledIn(form)) return
    form.ariaBusy = 'true'
    showFault(form, words('working'))
    const fault = await submit(Object.fromEntries(new FormData(form))).catch(() => '')
    form.ariaBusy = 'false'
    showFault(form, fault ?? '')
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

export function showFault(form, text) {
  form.querySelector('.fault').textContent = text
}

/** The digits of a code as it was typed: with spaces, or full-width. */
export function digitsOf(code) {
  return code.normalize('NFKC').replaceAll(/\s/g, '')
}

/** What a refusal means to a person; broken password rules in the service's own words, where we have none. */
export function explain({ status, body, headers }) {
  if (status === 429) return words('fault_too_many_requests', { time: duration(Number(headers.get('retry-after'))) })
  if (status === 0 || status >= 500) return words('fault_away')
  const rules = body?.errors?.filter(({ rule }) => rule !== undefined) ?? []
  if (rules.length > 0) return rules.map(explainRule).join(' ')
  const key = `fault_${body?.code}`
  return knows(key) ? words(key) : (body?.title ?? String(status))
}

function explainRule({ rule, message }) {
  return knows(`rule_${rule}`) ? words(`rule_${rule}`) : message
}
