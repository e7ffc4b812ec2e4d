import { find } from './dom.js'
import { call } from './latchkey.js'
import { speak, spoken } from './words.js'

const PREFERENCES = '/v1/me/preferences'
const { theme, language } = find('settings').elements

/** Makes the settings work; `onLanguage` says everything again. `isInside` tells whether there is somebody to keep them for. */
export function setUpSettings(onLanguage, isInside) {
  show({})
  const keep = (patch) => isInside() && call('PATCH', PREFERENCES, { body: patch }).catch(() => {})
  theme.addEventListener('change', () => {
    show({ theme: theme.value })
    void keep({ theme: theme.value })
  })
  language.addEventListener('change', () => {
    show({ language: language.value })
    onLanguage()
    void keep({ language: language.value })
  })
}

/** Reads what the person has chosen, on whatever device. */
export async function loadSettings(onLanguage) {
  const answer = await call('GET', PREFERENCES)
  if (!answer.ok) return
  show(answer.body)
  onLanguage()
}

function show(chosen) {
  speak(chosen.language)
  language.value = spoken()
  document.documentElement.lang = spoken()
  theme.value = chosen.theme ?? theme.value
  document.documentElement.dataset.theme = theme.value
}
