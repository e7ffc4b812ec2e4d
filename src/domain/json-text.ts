// Strings, so that nothing in them is taken for more than a string; numbers; and what gives a text its structure.
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[[\]{}:,]/g
const MAX_DEPTH = 64

/** What is wrong with a JSON text, and where: the names and places on the way to it, from the outside in. */
export interface JsonFault {
  readonly path: readonly (string | number)[]
  readonly message: string
}

/** An object or array that is open: at which member or place of it we are, and which members it has had. */
interface Level {
  at: string | number
  names: Set<string> | null
}

/**
 * The first thing that keeps a valid JSON text from being plain, null if nothing does: an object that names a member
 * twice (RFC 8259 section 4: what a receiver makes of that is unpredictable), a nesting deeper than 64, a number that
 * cannot be kept as it is. Takes as long as the text is.
 */
export function findFault(text: string): JsonFault | null {
  const levels: Level[] = []
  let last = ''
  for (const token of text.match(TOKENS) ?? []) {
    const message = enter(levels, token, last)
    if (message !== null) return { path: levels.map(({ at }) => at), message }
    last = token
  }
  return null
}

/** Follows the text by a token; says what is wrong with it. */
function enter(levels: Level[], token: string, last: string): string | null {
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
      enterPlace(levels.at(-1) as Level)
      return null
    default:
      return token.startsWith('"') || isKept(token) ? null : NOT_KEPT
  }
}

function enterMember(level: Level, name: string): string | null {
  level.at = name
  level.names ??= new Set()
  if (level.names.has(name)) return 'is named twice'
  level.names.add(name)
  return null
}

function enterPlace(level: Level): void {
  if (typeof level.at === 'number') level.at += 1
}

const NOT_KEPT = 'is a number that cannot be kept as it is: send it as a text'
const INTEGER = /^-?\d+(?:\.0+)?$/

/**
 * Whether a number can be kept as it is. To us all numbers are doubles (RFC 8259 section 6), written back with the fewest
 * digits that tell them apart. What is written as an integer, without an exponent and with no digit but 0 behind the point,
 * must come back as the same integer: 9007199254740993 would come back as 9007199254740992. Of any other the nearest double is
 * kept, which is what 0.1 and 1e21 mean to whoever writes them; 1e400 has none. -0 is 0.
 */
function isKept(number: string): boolean {
  const double = Number(number)
  if (Number.isSafeInteger(double)) return true
  return Number.isFinite(double) && (!INTEGER.test(number) || digitsOf(number) === digitsOf(`${double}`))
}

/** The digits of a number but for zeros at the end: whoever has the same and is about as large is the same. */
function digitsOf(number: string): string {
  return number.replaceAll(/e.*|[-.]/g, '').replace(/0+$/, '')
}
