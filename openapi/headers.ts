import { type Components, sorted, type Tree } from './components.ts'
import { HEADERS } from './texts.ts'

/** The headers of a response, by their names; each is described once, and referred to. */
export function headersOf(components: Components, names: readonly string[] = []): Tree {
  if (names.length === 0) return {}
  return { headers: sorted(Object.fromEntries(names.map((name) => [name, header(components, name)]))) }
}

function header(components: Components, name: string): Tree {
  const text = HEADERS[name]
  if (text === undefined) throw new Error(`the header ${name} has no description`)
  return components.refer('headers', name, () => ({ ...text }))
}
