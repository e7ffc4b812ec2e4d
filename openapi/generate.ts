import { readFileSync, writeFileSync } from 'node:fs'
import { openHome } from '../test/support/home.ts'
import { mailTo } from '../test/support/mails.ts'
import { DOCUMENT, documentOf } from './document.ts'

// `npm run openapi` writes openapi.json; with --check it only says, by its exit code, whether the committed one is fresh.

const home = await openHome(mailTo('smtp://127.0.0.1')) // with the routes that need mail; none is sent
const document = documentOf(home.app.routes)
await home.close()

if (!process.argv.includes('--check')) {
  writeFileSync(DOCUMENT, document)
} else if (readFileSync(DOCUMENT, 'utf8') !== document) {
  process.stderr.write('openapi/openapi.json is stale: npm run openapi\n')
  process.exitCode = 1
}
