import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

// What a runtime without Node's modules loads, and what npm would publish.

const PACKAGE = 'packages/verify'
const description = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'))

/** Everything that a file of dist imports, and what that imports: the names of packages and modules. */
function importsOf(file: string, seen = new Set<string>()): string[] {
  if (seen.has(file)) return []
  seen.add(file)
  const text = readFileSync(join(PACKAGE, 'dist', file), 'utf8')
  const names = [...text.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map(([, name = '']) => name)
  return names.flatMap((name) => (name.startsWith('./') ? importsOf(name, seen) : [name]))
}

t.test('the core, and what guards fetch and Hono, imports jose and nothing else: no module of Node', (t) => {
  for (const file of ['index.js', 'fetch.js', 'hono.js'])
    t.strictSame(
      importsOf(file).filter((name) => name !== 'jose'),
      [],
      file,
    )
  t.ok(importsOf('index.js').includes('jose'))
  const entry = join(
    'node_modules/jose',
    JSON.parse(readFileSync('node_modules/jose/package.json', 'utf8')).exports['.'].default,
  )
  t.notMatch(readFileSync(entry, 'utf8'), /node:/, 'nor does jose')
  t.end()
})

t.test('the adapters of Node import no framework when they run', (t) => {
  for (const file of ['node.js', 'express.js', 'fastify.js'])
    t.ok(
      importsOf(file).every((name) => name === 'jose' || name === 'node:http'),
      file,
    )
  t.end()
})

t.test('jose is its one dependency, and each entry has its code and its types', async (t) => {
  t.strictSame(Object.keys(description.dependencies), ['jose'])
  const { './package.json': _, ...entries } = description.exports as Record<string, Record<string, string>>
  t.strictSame(Object.keys(entries), ['.', './fetch', './node', './express', './fastify', './hono'])
  for (const [name, { types = '', default: code = '' }] of Object.entries(entries)) {
    t.ok(readFileSync(join(PACKAGE, types), 'utf8').length > 0, types)
    const loaded = await import(`@latchkey/verify${name.slice(1)}`)
    t.type(name === '.' ? loaded.createVerifier : loaded.requireToken, 'function', code)
  }
})
