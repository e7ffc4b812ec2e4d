import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { createClient } from '@latchkey/client'
import { useSession } from '@latchkey/client/react'
import { build } from 'esbuild'
import { createElement } from 'react'
import t from 'tap'

// The package as it is installed: how big it is, and where it loads.

const { renderToString } = createRequire(import.meta.url)('react-dom/server')
const MOST_BYTES = 3 * 1024

const bundle = async (contents: string) => {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: process.cwd() },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'neutral',
    write: false,
  })
  return outputFiles[0]?.contents ?? new Uint8Array()
}

t.test('all of it, minified and gzipped, is at most 3 KB', async (t) => {
  const size = gzipSync(await bundle("export * from '@latchkey/client'"), { level: 9 }).length
  t.ok(size <= MOST_BYTES, `${size} bytes`)
  t.ok(size > 1000, 'all of it')
  t.comment(`${size} bytes`)
})

t.test('it loads on a server, without a window, keeps no process alive, and asks nobody', async (t) => {
  const program = `
    import { createClient } from '@latchkey/client'
    const client = createClient({ baseUrl: '/', transport: 'cookie', fetch: () => process.exit(1) })
    client.subscribe(() => {})
    console.log(JSON.stringify(client.getSnapshot()))`
  const args = ['--input-type=module', '-e', program]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: process.cwd(), timeout: 5000 })
  t.equal(stdout.trim(), '{"status":"unknown"}')
})

t.test('React renders it on a server', async (t) => {
  const client = createClient({ baseUrl: '/', transport: 'cookie' })
  const Page = () => createElement('p', {}, useSession(client).status)
  t.equal(renderToString(createElement(Page)), '<p>unknown</p>')
})
