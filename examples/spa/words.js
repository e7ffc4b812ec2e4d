import { english } from './english.js'
import { korean } from './korean.js'

const languages = { en: english, ko: korean }
let language = navigator.languages.some((each) => each.startsWith('ko')) ? 'ko' : 'en'

/** The language that is spoken now: `en` or `ko`. */
export function spoken() {
  return language
}

/** Speaks this language from now on, if it is one of the two. */
export function speak(chosen) {
  if (Object.hasOwn(languages, chosen)) language = chosen
}

/** Whether there are words for this. */
export function knows(key) {
  return Object.hasOwn(languages[language], key)
}

/** The words for this, with `{name}` replaced by `values.name`. */
export function words(key, values = {}) {
  return languages[language][key].replaceAll(/\{(\w+)\}/g, (_, name) => values[name])
}

/** A time of so many seconds, as people say it: in minutes where there are many. */
export function duration(seconds) {
  const [count, unit] = seconds > 90 ? [Math.ceil(seconds / 60), 'minute'] : [seconds, 'second']
  return new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'long' }).format(count)
}

/** A moment, as people say it. */
export function moment(time) {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(time))
}
