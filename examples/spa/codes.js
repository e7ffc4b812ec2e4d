import { find, make } from './dom.js'

// Recovery codes are shown once, to be printed: nobody can read them again.

const card = find('codes')

/** Shows them until the person says that they are kept. */
export function showCodes(codes) {
  find('code-list').replaceChildren(...codes.map((code) => make('li', {}, make('code', {}, code))))
  card.hidden = false
  find('codes-title').focus()
}

/** Forgets them. */
export function forgetCodes() {
  find('code-list').replaceChildren()
  card.hidden = true
}

/** Makes the buttons work. */
export function setUpCodes() {
  find('print-codes').addEventListener('click', () => print())
  find('keep-codes').addEventListener('click', () => {
    forgetCodes()
    find('factors-title').focus()
  })
}
