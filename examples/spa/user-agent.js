/** What people call the program that sent this user agent. */
export function nameOf(userAgent) {
  const browser = /Firefox|Edg|OPR|Chrome|Safari/.exec(userAgent)?.[0] ?? userAgent.slice(0, 20)
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(userAgent)?.[0]
  return system === undefined ? browser : `${browser}, ${system}`
}
