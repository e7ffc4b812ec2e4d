import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { anchorsOf, linksOf, type Page, readPage, readPages, rowsOf } from './pages.ts'

// What the pages show is what is there: the code of files that tests run, commands that something runs, links that lead somewhere.

const PAGES = readPages()

/** What runs the files that the pages show. */
const RUNNERS = [
  'test/processes/snippets.test.ts',
  'test/verify/pyjwt.test.ts',
  'test/browser/client-package.test.ts',
  'test/client-package/factors.test.ts',
]

/** The files that the pages show, without the comments that tell what each is for. */
const FILES = readdirSync('examples')
  .filter((name) => /\.(?:sh|mjs|jsx|py)$/.test(name))
  .map((name) => ({
    name,
    text: readFileSync(join('examples', name), 'utf8')
      .replace(/^(?:# .*\n)+\n/, '')
      .trim(),
  }))

/** The files for gateways, which gateways.test.ts runs: a page shows one whole. */
const GATEWAYS = new Set(
  readdirSync('deploy/gateways').map((name) => readFileSync(join('deploy/gateways', name), 'utf8').trim()),
)

/** Single commands, and what runs them, or what they run. */
const COMMANDS: Readonly<Record<string, string>> = {
  'npm ci && npm start': 'test/support/service.ts',
  'npm ci && npm test': '.ci/run',
  'npm ci && npm run demo': 'test/support/demo.ts',
  'MAIL_URL=file:./mails MAIL_FROM=support@example.org APP_URL=http://localhost:8080 npm start':
    'test/processes/snippets.test.ts',
  'npm run rotate-keys': 'test/processes/rotate-keys.test.ts',
  'npm run --silent admin -- list': 'test/processes/admin-command.test.ts',
  "npm run --silent admin -- client add 'nightly report' --scope orders:read": 'test/processes/snippets.test.ts',
  'npm run revoke-everything': 'test/faults/lost-data.test.ts',
  'npm run revoke-everything -- --secret-is-lost': 'test/faults/lost-data.test.ts',
  [`node -p "require('crypto').randomBytes(32).toString('base64url')"`]: 'test/processes/snippets.test.ts',
  '(mkdir -m 700 secrets && openssl rand 32 | basenc --base64url | tr -d = > secrets/auth-secret)': 'compose.yaml',
  'docker compose up --build': 'compose.yaml',
  'docker compose --profile watch up --build': 'compose.yaml',
}

const scripts = JSON.parse(readFileSync('package.json', 'utf8')).scripts as Record<string, string>

for (const { path, blocks } of PAGES) {
  t.test(`${path} shows commands that something runs, and files that a test runs, each of them whole`, async (t) => {
    const shown = blocks.filter(
      ({ language, text }) => language !== 'mermaid' && !Object.hasOwn(COMMANDS, text) && !GATEWAYS.has(text),
    )
    for (const { text } of shown)
      t.ok(
        FILES.some((file) => file.text.split('\n\n').includes(text) || file.text === text),
        `a file of examples has: ${text.split('\n')[0]} …`,
      )
    for (const file of FILES) {
      const parts = shown.map(({ text }) => text).filter((text) => file.text.includes(text))
      if (parts.length > 0) t.equal(parts.join('\n\n'), file.text, `examples/${file.name}`)
    }
  })
}

t.test('every such file is shown on a page and run by a test', async (t) => {
  const shown = PAGES.flatMap(({ blocks }) => blocks).map(({ text }) => text)
  const runs = RUNNERS.map((path) => readFileSync(path, 'utf8')).join('\n')
  for (const { name, text } of FILES) {
    t.ok(
      shown.some((block) => text.includes(block)),
      name,
    )
    t.ok(runs.includes(`${name}'`), name)
  }
})

/** What a file that runs the command says of it: the command, the option, or the file and the word behind the script. */
function signOf(command: string): string {
  const own = command.replace('npm ci && ', '')
  const [, name, option] = /^npm (?:run )?([\w:-]+)(?: -- (.+))?$/.exec(own) ?? []
  const script = name === undefined ? undefined : scripts[name]
  if (name === undefined || name === 'test') return own.startsWith('node') ? 'node -p' : own
  return option ?? script?.split(' ').at(-1)?.replace('build/', '') ?? `a script ${name}`
}

for (const [command, place] of Object.entries(COMMANDS)) {
  t.test(`${command} is run, and some page shows it`, async (t) => {
    t.ok(readFileSync(place, 'utf8').includes(signOf(command)), `${place}: ${signOf(command)}`)
    t.ok(PAGES.some(({ blocks }) => blocks.some((block) => block.text === command)))
  })
}

const anchors = new Map<string, Set<string>>()
function hasAnchor(path: string, anchor: string): boolean {
  if (!anchors.has(path)) anchors.set(path, anchorsOf(readPage(path)))
  return anchors.get(path)?.has(anchor) === true
}

/** Where a link of the page leads: an empty text if it leads somewhere. */
function faultOf(page: Page, link: string): string {
  if (/^https?:/.test(link)) return ''
  const [target = '', anchor] = link.split('#')
  const path = target === '' ? page.path : normalize(join(dirname(page.path), target))
  if (path.startsWith('..') || !existsSync(path)) return `${link}: there is no ${path}`
  const leads = anchor === undefined || hasAnchor(path, decodeURIComponent(anchor))
  return leads ? '' : `${link}: ${path} has no such heading`
}

for (const page of PAGES) {
  t.test(`every link and picture of ${page.path} leads somewhere`, async (t) => {
    const links = linksOf(page)
    t.ok(links.length > 0)
    t.strictSame(links.map((link) => faultOf(page, link)).filter(Boolean), [])
  })
}

t.test('the README names every page, and the Korean one, which names it back', async (t) => {
  const [readme, korean, ...pages] = PAGES.map((page) => ({ path: page.path, links: linksOf(page) }))
  for (const { path } of [...pages, { path: 'README.ko.md' }]) t.ok(readme?.links.includes(path), path)
  t.ok(korean?.links.includes('README.md'))
})

t.test('the Korean README shows what the English one shows, in the same order', async (t) => {
  const codes = (path: string) => readPage(path).blocks.filter(({ language }) => language === 'sh')
  t.strictSame(codes('README.ko.md'), codes('README.md'))
})

const code = readdirSync('src', { encoding: 'utf8', recursive: true })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join('src', name), 'utf8'))
  .join('\n')
const spansIn = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span)

t.test('every script of npm that a page names is there', async (t) => {
  const named = PAGES.flatMap(({ prose }) => [...prose.matchAll(/`npm run ([\w:-]+)/g)].map(([, name = '']) => name))
  t.ok(named.length > 5)
  t.strictSame(
    named.filter((name) => !Object.hasOwn(scripts, name)),
    [],
  )
})

t.test('every message that the troubleshooting tells is one that the service says', async (t) => {
  const [, section = ''] = readPage('docs/operating.md').prose.split('## Troubleshooting')
  const symptoms = [...section.matchAll(/^\| (.+?) \|/gm)].flatMap(([, cell = '']) => spansIn(cell))
  const messages = symptoms.filter((span) => span.includes(' '))
  t.ok(messages.length > 10)
  t.strictSame(
    messages.filter((message) => !code.includes(message)),
    [],
  )
})

for (const { path, prose } of PAGES) {
  t.test(`every event that ${path} names is one that there is`, async (t) => {
    const events = spansIn(prose).filter((span) => /^[a-z]+\.(?!ts$|js$)[a-z]+$/.test(span) && !existsSync(span))
    t.strictSame(
      events.filter((event) => !code.includes(`'${event}'`)),
      [],
    )
  })
}

t.test('every file that the page on contributing names is there, and every folder of src is on its map', async (t) => {
  const { prose } = readPage('docs/contributing.md')
  const named = spansIn(prose).filter((span) =>
    /^(?:src|test|openapi|examples|docs|lab|bench|\.ci)\/[\w./-]*$/.test(span),
  )
  t.ok(named.length > 50)
  t.strictSame(
    named.filter((path) => !existsSync(path)),
    [],
  )
  const folders = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory())
  for (const { name } of folders)
    t.ok(
      named.some((path) => path.startsWith(`src/${name}/`)),
      name,
    )
})

t.test('every name of the code that the page on contributing names is there', async (t) => {
  const names = spansIn(readPage('docs/contributing.md').prose).filter((span) => /^[a-z]+[A-Z][A-Za-z]*$/.test(span))
  t.ok(names.length > 3)
  const tests = readFileSync('test/store/contract.ts', 'utf8')
  t.strictSame(
    names.filter((name) => !new RegExp(`\\b${name}\\b`).test(code + tests)),
    [],
  )
})

t.test('every route of the contract is in the table for clients', async (t) => {
  const { paths } = JSON.parse(readFileSync('openapi/openapi.json', 'utf8'))
  const told = rowsOf(readPage('docs/clients.md')).flatMap(([cell = '']) => spansIn(cell))
  const isTold = (path: string) => told.some((span) => span === path || span.endsWith(` ${path}`))
  const untold = Object.keys(paths).filter((path) => !path.startsWith('/docs/') && !isTold(path))
  t.strictSame(untold, [])
})

t.test('every test that the page on promises names for an assurance level is there', async (t) => {
  const [, section = ''] = readPage('docs/promises.md').prose.split('| shown by |\n')
  const named = [...section.matchAll(/ \| ([^|]+) \|$/gm)]
    .map(([, title = '']) => title)
    .filter((title) => title !== '–')
  const tests = readFileSync('test/factors/assurance.test.ts', 'utf8')
  t.ok(named.length > 10)
  t.strictSame(
    named.filter((title) => title !== '---' && !tests.includes(`'${title}'`)),
    [],
  )
})
