import { words } from './words.js'

export const find = (id) => document.getElementById(id)

/** An element with these properties and children; text is text, never markup. */
export function make(tag, { data = {}, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties)
  Object.assign(element.dataset, data)
  element.append(...children)
  return element
}

/** Replaces what is in the list; the focus stays on the control of the same name, else it goes to the list's title. */
export function fill(list, items) {
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.name : undefined
  list.replaceChildren(...items)
  if (focused === undefined) return
  const same = [...list.querySelectorAll('[data-name]:enabled')].find(({ dataset }) => dataset.name === focused)
  const target = same ?? list.closest('section').querySelector('[tabindex="-1"]')
  target.focus()
}

/** A button that does this; it is named in full for those who do not see where it stands. */
export function button(name, text, label, onclick) {
  return make('button', { type: 'button', data: { name }, ariaLabel: label, textContent: text, onclick })
}

/** Puts the words of the language into what is written in index.html. */
export function translate() {
  for (const element of document.querySelectorAll('[data-words]')) element.textContent = words(element.dataset.words)
}
