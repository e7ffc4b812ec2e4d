// Strings as a whole, so that a brace in one is no brace; numbers; the marks that structure a text. All else is skipped.
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[[\]{}:,]/g
const MAX_DEPTH = 64

/** What is wrong with a JSON text, and where: `path` has the names and indexes that lead there, from the outside in. */
export interface JsonFault {
  readonly path: readonly (string | number)[]
  readonly message: string
}

/** An object or array that is still open: the name or index that has been reached in it, and the names it has had. */
interface Level {
  at: string | number
  names: Set<string> | null
}

/**
 * Finds the first fault in a valid JSON text; null: it has none. Faults are an object that names a member twice (receivers
 * disagree about it, RFC 8259 section 4), a nesting deeper than 64, and a number that would change when it is stored. The time it
 * takes grows with the length of the text, and no faster.
 */
export function findJsonFault(text: string): JsonFault | null {
  const levels: Level[] = []
  let last = ''
  for (const token of text.match(TOKENS) ?? []) {
    const message = followToken(levels, token, last)
    if (message !== null) return { path: levels.map(({ at }) => at), message }
    last = token
  }
  return null
}

/** Moves on by one token of the text; says what is wrong with the token. */
function followToken(levels: Level[], token: string, last: string): string | null {
  switch (token) {
    case '{':
    case '[':
      levels.push({ at: token === '[' ? 0 : '', names: null })
      return levels.length > MAX_DEPTH ? `is nested deeper than ${MAX_DEPTH}` : null
    case '}':
    case ']':
      levels.pop()
      return null
    case ':':
      return enterMember(levels.at(-1) as Level, JSON.parse(last) as string)
    case ',':
      enterIndex(levels.at(-1) as Level)
      return null
    default:
      return token.startsWith('"') || isLossless(token) ? null : LOSSY
  }
}

function enterMember(level: Level, name: string): string | null {
  level.at = name
  level.names ??= new Set()
  if (level.names.has(name)) return 'is named twice'
  level.names.add(name)
  return null
}

function enterIndex(level: Level): void {
  if (typeof level.at === 'number') level.at += 1
}

const LOSSY = 'is a number that cannot be kept as it is: send it as a text'
const INTEGER = /^-?\d+(?:\.0+)?$/

/**
 * Whether a number comes back to the client as it was sent. Numbers are stored as doubles (RFC 8259 section 6), and written
 * with the fewest digits that tell doubles apart. An integer (no exponent, only zeros behind the point) must come back as the
 * same integer: 9007199254740993 would come back as 9007199254740992. Any other number may come back as the nearest double, which
 * is what a client means by 0.1 or 1e21; 1e400 has no double. -0 counts as 0.
 */
function isLossless(number: string): boolean {
  const double = Number(number)
  if (Number.isSafeInteger(double)) return true
  return Number.isFinite(double) && (!INTEGER.test(number) || digitsOf(number) === digitsOf(`${double}`))
}

/** The digits of a number without zeros at the end: two integers of about the same size are equal if these are. */
function digitsOf(number: string): string {
  return number.replaceAll(/e.*|[-.]/g, '').replace(/0+$/, '')
}
