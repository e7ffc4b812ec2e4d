import { find, make } from './dom.js'

// The mails that the demo's service has sent. Only the demo shows them; elsewhere everybody reads their own.

const LOOK_MS = 1000
const list = find('mails')

/** Shows mails as they arrive, where there is a demo. */
export async function watchMailbox() {
  if (!(await look())) return
  setInterval(() => {
    if (document.visibilityState === 'visible') void look()
  }, LOOK_MS)
}

async function look() {
  const found = await fetch('/demo/mails')
    .then((answer) => (answer.ok ? answer.json() : null))
    .catch(() => null)
  if (found !== null) show(found.mails)
  return found !== null
}

// What is there stays, and with it the focus.
function show(mails) {
  const known = new Set([...list.children].map(({ dataset }) => dataset.mail))
  const fresh = mails.filter(({ id }) => !known.has(id))
  if (fresh.length === 0) return
  for (const letter of list.querySelectorAll('details')) letter.open = false
  list.prepend(...fresh.map((mail, index) => showMail(mail, index === 0)))
  while (list.children.length > mails.length) list.lastChild.remove()
  find('mailbox').hidden = false
}

function showMail({ id, to, subject, text }, open) {
  const head = make('p', { className: 'hint' }, to)
  const letter = make(
    'p',
    { className: 'letter' },
    ...text
      .trim()
      .split(/(https?:\/\/\S+)/)
      .map(link),
  )
  return make('li', { data: { mail: id } }, make('details', { open }, make('summary', {}, subject), head, letter))
}

// Only to this page: whoever asks for a mail has a say in what is in it.
function link(part) {
  return part.startsWith(`${location.origin}/`) ? make('a', { href: part }, part) : part
}
