import { readdir, readFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { refuse } from './answers.ts'

// Two levels above the compiled file is the build folder.
const ROOT = new URL('../../../', import.meta.url)
const FOLDERS: Readonly<Record<string, string>> = {
  '/': fileURLToPath(new URL('examples/spa/', ROOT)),
  '/client/': fileURLToPath(new URL('packages/client/dist/', ROOT)),
  '/qr/': fileURLToPath(new URL('node_modules/uqr/dist/', ROOT)),
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** On every file of the page: nothing of another origin, nothing inline, no text that becomes markup. nginx.conf says the same. */
export const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-cache',
}

/** Where the page is: the links of mails lead to it, too. */
const PLACES = new Set(['/', '/verify-email', '/reset-password', '/change-email'])

/** Answers with a file of the page, or of the packages that it imports; whatever is not in their folders is not found. */
export async function sendPage(reply: ServerResponse, path: string): Promise<void> {
  const [place, name] = PLACES.has(path) ? ['/', 'index.html'] : splitAt(path)
  const [folder, type] = [FOLDERS[place], TYPES[extname(name)]]
  if (folder === undefined || type === undefined || !(await readdir(folder)).includes(name))
    return refuse(reply, 404, 'not_found')
  reply.writeHead(200, { ...PAGE_HEADERS, 'content-type': type }).end(await readFile(folder + name))
}

/** The path up to its last slash, and the name behind it. */
function splitAt(path: string): [string, string] {
  const at = path.lastIndexOf('/') + 1
  return [path.slice(0, at), path.slice(at)]
}
