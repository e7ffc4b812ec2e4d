import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readConfig } from '../../src/config/environment.ts'
import { VARIABLES } from '../../src/config/variables.ts'
import { SECRETS } from '../../src/config/secret-files.ts'
import { readPage, readPages, rowsOf } from './pages.ts'

// docs/configuration.md and the code have the same variables, with the same defaults.

const NOTHING = '–'
/** What the pages name that is another program's. */
const OTHERS = [
  'NODE_EXTRA_CA_CERTS',
  'MALLOC_ARENA_MAX',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_EXPORTER_OTLP_CERTIFICATE',
]

const code = readdirSync('src', { encoding: 'utf8', recursive: true })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join('src', name), 'utf8'))
  .join('\n')
/** npm sets it, and nobody else. */
const OF_NPM = 'INIT_CWD'
/** Variables that the code reads past its settings, and what stands in for them. */
const direct = new Map(
  [...code.matchAll(/process\.env(?:\.|\[')([A-Z]\w+)(?:'\])?(?:\) \|\| (\w+))?/g)]
    .map(([, name = '', standIn = '']) => [name, standIn] as const)
    .filter(([name]) => !VARIABLES.includes(name) && name !== OF_NPM),
)
const files = SECRETS.map((name) => `${name}_FILE`)

const rows = rowsOf(readPage('docs/configuration.md'))
  .map(([name = '', fallback = '']) => [/^`([A-Z][A-Z\d_]+)`$/.exec(name)?.[1], fallback] as const)
  .filter(([name]) => name !== undefined)
const names = rows.map(([name]) => `${name}`)

t.test('the page has one row for each variable that the code reads, and for no other', (t) => {
  t.strictSame(names.toSorted(), [...VARIABLES, ...files, ...direct.keys()].toSorted())
  t.end()
})

for (const [name = '', cell] of rows) {
  t.test(`the default that the page tells of ${name} is the one that the code uses`, (t) => {
    const defaults = readConfig({})
    const [, told] = /^`(.+)`$/.exec(cell) ?? []
    if (told === undefined) {
      t.equal(cell, NOTHING, 'a default is code, alone in its column')
      t.strictSame(defaults[name as keyof typeof defaults] ?? [], [])
    } else if (direct.has(name)) t.equal(told, direct.get(name))
    else t.strictSame(readConfig({ [name]: told }), defaults)
    t.end()
  })
}

t.test('no page names a variable that there is not', (t) => {
  const known = new Set<string>([...VARIABLES, ...files, ...direct.keys(), ...OTHERS])
  const pages = readPages().filter(({ path }) => path !== 'docs/contributing.md') // which names constants of the code, too
  for (const { path, prose } of pages) {
    const named = [...prose.matchAll(/`([A-Z][A-Z\d]*(?:_[A-Z\d]+)+)`/g)].map(([, name = '']) => name)
    t.strictSame(
      named.filter((name) => !known.has(name)),
      [],
      path,
    )
  }
  t.end()
})
