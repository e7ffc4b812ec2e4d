const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{}:,]/g
const MAX_DEPTH = 64

/**
 * Whether a valid JSON text is also unambiguous and shallow: no object names a member twice (RFC 8259 section 4: what a
 * receiver makes of that is unpredictable), nothing is nested deeper than 64.
 */
export function isPlainJson(text: string): boolean {
  const open: Set<string>[] = []
  let last = ''
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === '{' || token === '[') open.push(new Set())
    else if (token === '}' || token === ']') open.pop()
    else if (token === ':' && !isNew(open.at(-1), last)) return false
    if (open.length > MAX_DEPTH) return false
    last = token
  }
  return true
}

function isNew(names: Set<string> | undefined, quoted: string): boolean {
  const name = JSON.parse(quoted) as string
  if (names?.has(name)) return false
  names?.add(name)
  return true
}
