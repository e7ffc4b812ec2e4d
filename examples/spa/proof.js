import { Refused, SessionOver } from './client/index.js'
import { finishLogin } from './client/factors.js'
import { arePasskeysSupported, finishLoginWithPasskey, stepUpWithPasskey } from './client/passkeys.js'
import { find, translate } from './dom.js'
import { digitsOf, Fault, onSubmit, showFault } from './forms.js'
import { client, sessionOfNow } from './latchkey.js'
import { words } from './words.js'

// The dialogue in which a person proves who is there: the second step of a login, and the step-up of a session.

const dialog = find('proof')
const form = find('proof-form')
const { typed } = form.elements

/** From what to what is offered first. A passkey is not typed. */
const KINDS = {
  passkey: { send: 'by_passkey', field: null },
  totp: { send: 'confirm', field: { type: 'text', inputMode: 'numeric', autocomplete: 'one-time-code' } },
  recovery_code: { send: 'confirm', field: { type: 'text', inputMode: 'text', autocomplete: 'off' } },
  password: { send: 'confirm', field: { type: 'password', inputMode: 'text', autocomplete: 'current-password' } },
}

/** What is asked now, and how it is answered; null: nothing is. */
let question = null
let kind = null
let ceremony = new AbortController()

/** The second step of a login that was refused with this problem: resolves when the session is open. */
export function finishInTwoSteps(problem) {
  const { challenge, factors } = problem
  return ask({
    title: 'second_step',
    factors,
    type: (proof) => finishLogin(client, { challenge, ...proof }),
    touch: (how) => finishLoginWithPasskey(client, problem, how),
    isOver: ({ code }) => code === 'code_invalid',
  })
}

/** Does what wants a fresh session: who has not proven enough for it is asked, and then it is done. */
export async function freshly(act) {
  const sessionId = sessionOfNow()
  try {
    return await act()
  } catch (error) {
    if (error.code !== 'step_up_required') throw error
    await stepUp(error.problem.factors)
    if (sessionOfNow() !== sessionId) throw new SessionOver('replaced') // not as the next person
    return act()
  }
}

function stepUp(enrolled) {
  return ask({
    title: 'step_up',
    factors: enrolled.length > 0 ? enrolled : ['password'],
    type: client.stepUp,
    touch: (how) => stepUpWithPasskey(client, how),
    isOver: () => false,
  })
}

/** Resolves when something is proven; rejects with a Fault when the person closes the dialogue, or it leads nowhere any more. */
async function ask({ factors, ...asked }) {
  const kinds = kindsOf(factors)
  question?.onFailed(new Fault('')) // one dialogue at a time
  return new Promise((onDone, onFailed) => {
    question = { ...asked, kinds, onDone, onFailed }
    if (!dialog.open) dialog.showModal()
    offer(kinds[0])
  })
}

function kindsOf(factors) {
  const kinds = Object.keys(KINDS).filter(
    (each) => factors.includes(each) && (each !== 'passkey' || arePasskeysSupported()),
  )
  if (kinds.length === 0) throw new Fault(words('fault_no_factor'))
  return kinds
}

/** Asks for this, and offers the other kinds. */
function offer(next) {
  ceremony.abort()
  kind = next
  const { send, field } = KINDS[kind]
  form.reset()
  showFault(form, '')
  find('proof-title').dataset.words = question.title
  find('proof-hint').dataset.words = `prove_${kind}`
  find('proof-send').dataset.words = send
  find('proof-field').hidden = field === null
  typed.required = field !== null
  if (field !== null) find('proof-label').dataset.words = `typed_${kind}`
  Object.assign(typed, field)
  for (const other of form.querySelectorAll('[data-kind]'))
    other.hidden = other.dataset.kind === kind || !question.kinds.includes(other.dataset.kind)
  translate()
  const first = field === null ? find('proof-send') : typed
  first.focus()
}

async function prove({ typed: value }) {
  const [asked, shown] = [question, kind]
  try {
    await (shown === 'passkey' ? touch(asked) : asked.type({ [shown]: shown === 'totp' ? digitsOf(value) : value }))
    asked.onDone()
  } catch (error) {
    if (asked !== question || shown !== kind) throw new Fault('') // the person has turned to something else
    if (error.code === 'step_up_required') return askForFactor(error.problem.factors)
    if (!asked.isOver(error)) throw isWrong(error) ? new Fault(words(`fault_wrong_${shown}`)) : error
    asked.onFailed(new Fault(words('fault_begin_anew')))
  }
  if (asked === question) closeProof()
}

// Until the person wants to show something else.
function touch(asked) {
  ceremony = new AbortController()
  return asked.touch({ signal: ceremony.signal })
}

function isWrong(error) {
  return error instanceof Refused && error.code !== 'account_disabled'
}

// A factor was enrolled elsewhere since the password was asked for.
function askForFactor(factors) {
  question.kinds = kindsOf(factors)
  offer(question.kinds[0])
}

/** Closes the dialogue, if it is open: whoever waits for it hears that nothing was proven. */
export function closeProof() {
  dialog.close()
}

/** Makes the dialogue work. */
export function setUpProof() {
  onSubmit(form, prove)
  dialog.addEventListener('close', () => {
    if (dialog.open) return // for another question by now
    ceremony.abort()
    if (document.activeElement === document.body) find('factors-title').focus() // what was pressed has been drawn anew
    form.reset()
    question?.onFailed(new Fault(''))
    question = null
  })
  find('proof-cancel').addEventListener('click', closeProof)
  for (const other of form.querySelectorAll('[data-kind]'))
    other.addEventListener('click', () => {
      offer(other.dataset.kind)
      if (kind === 'passkey') form.requestSubmit()
    })
}
