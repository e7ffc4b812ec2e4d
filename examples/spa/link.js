// The link of a mail leads here, with a token behind `#`: no server has seen it. It leaves the address and the history at once.
// Until the next page the browser's timing of this one (`performance`) names it: a script that reports timings has no place here.

const [, token] = /^#token=([\w-]+)$/.exec(location.hash) ?? []
let link = token === undefined ? null : { place: location.pathname, token }
if (location.pathname !== '/' || location.hash !== '') history.replaceState(null, '', '/')

/** Whether the page was opened by a link that has not been taken. */
export const hasLink = () => link !== null

/** The token of the link, if the link is to this place: once, then null. */
export function takeLink(place) {
  if (link?.place !== place) return null
  const taken = link.token
  link = null
  return taken
}
