import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { ADMIN as ADMIN_SETTINGS, mailTo } from '../test/support/env.ts'
import { openAdminApp } from '../test/support/admin.ts'
import { openHome } from '../test/support/home.ts'
import { type About, ADMIN, documentOf, PUBLIC } from './document.ts'

// `npm run openapi` writes the documents; with --check it only says, by its exit code, whether the committed ones are fresh.

const home = await openHome({ ...mailTo('smtp://127.0.0.1'), ...ADMIN_SETTINGS }) // with the routes that need mail; none is sent
const adminApp = await openAdminApp(home)
const documents: [About, string][] = [
  [PUBLIC, documentOf(home.app.routes, PUBLIC)],
  [ADMIN, documentOf(adminApp.routes, ADMIN)],
]
await adminApp.close()
await home.close()

for (const [{ file }, document] of documents) {
  if (!process.argv.includes('--check')) writeFileSync(file, document)
  else if (readFileSync(file, 'utf8') !== document) {
    process.stderr.write(`openapi/${basename(file.pathname)} is stale: npm run openapi\n`)
    process.exitCode = 1
  }
}
