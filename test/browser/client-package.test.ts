import { EventEmitter, once } from 'node:events'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { openBrowser } from '../support/chromium.ts'
import { freePort } from '../support/free-port.ts'
import { openHome } from '../support/home.ts'
import { eventually } from '../support/settle.ts'

// The package in a real browser, as it is installed: tabs that share a cookie, and what browsers do to tabs.

const PASSWORD = 'seven red bicycles in the rain'
const FIVE_MINUTES = 300_000
const WITHIN = { within: 20_000 }
const DIST = new URL('../../../packages/client/dist/', import.meta.url)

const port = await freePort(2)
const [url, pages] = [`http://localhost:${port}`, `http://localhost:${port + 1}`]
const [home, browser] = await Promise.all([openHome({ ISSUER: url, ALLOWED_ORIGINS: pages }), openBrowser()])
const register = (email: string) => home.call('POST', '/v1/register', { body: { email, password: PASSWORD } })
await home.app.listen({ host: '127.0.0.1', port })
t.teardown(async () => {
  await browser.close()
  await home.close()
})

const HTML = `<!doctype html><title>tab</title><div id="root"></div><script type="module">
  import * as latchkey from '/client/index.js'
  globalThis.latchkey = latchkey
  globalThis.client = latchkey.createClient({ baseUrl: '/', transport: 'cookie' })
</script>`

let people = 0

/** A person's browser, at a page of the service's own origin; everything below `/client/` is the package. */
async function openPerson(t: Test, script?: string) {
  const context = await browser.newPerson()
  t.teardown(() => context.close())
  await context.route(`${url}/app`, (route) => route.fulfill({ contentType: 'text/html', body: HTML }))
  await context.route(`${url}/client/*`, async (route) => {
    const name = new URL(route.request().url()).pathname.replace('/client/', '')
    await route.fulfill({ contentType: 'text/javascript', body: await readFile(new URL(name, DIST), 'utf8') })
  })
  if (script !== undefined) await context.addInitScript(script)
  const refreshes: string[] = []
  context.on('request', (request) => request.url().endsWith('/v1/refresh') && refreshes.push(request.method()))
  const open = async (): Promise<Page> => {
    const page = await context.newPage()
    await page.goto(`${url}/app`)
    await page.waitForFunction('globalThis.client !== undefined')
    return page
  }
  const email = `tab-${process.pid}-${(people += 1)}@example.org`
  return { context, open, refreshes, credentials: JSON.stringify({ email, password: PASSWORD }) }
}

const resume = (page: Page) => page.evaluate<boolean>('client.resume()')
const ask = (page: Page) => page.evaluate<number>("client.fetch('/v1/me').then(({ status }) => status)")
const snapshot = (page: Page) =>
  page.evaluate<{ status: string; reason?: string; userId?: string }>('client.getSnapshot()')
const failure = (page: Page, text: string) =>
  page.evaluate<string>(`${text}.then(() => '', (error) => error.name + ' ' + (error.reason ?? error.status))`)

t.test('twenty tabs refresh once, at the start and whenever their token is refused', async (t) => {
  const { open, refreshes, credentials } = await openPerson(t)
  const first = await open()
  await first.evaluate(`client.register(${credentials})`)
  const others = await Promise.all(Array.from({ length: 19 }, open))
  t.same(await Promise.all(others.map(resume)), Array(19).fill(true))
  t.equal(refreshes.length, 0, 'the first has handed its token over')
  const tabs = [first, ...others]
  home.clock.advance(FIVE_MINUTES + 20_000)
  t.same(await Promise.all(tabs.map(ask)), Array(20).fill(200))
  t.equal(refreshes.length, 1)
  const anew = 'client.dispose(), client = latchkey.createClient({ baseUrl: "/", transport: "cookie" }), 0'
  await Promise.all(tabs.map((tab) => tab.evaluate(anew)))
  t.same(await Promise.all(tabs.map(resume)), Array(20).fill(true))
  t.equal(refreshes.length, 2, 'nobody had one: one fetches it for all')
})

t.test('a login and a logout in one tab are heard of in the others', async (t) => {
  const { open, credentials } = await openPerson(t)
  const [page, other] = [await open(), await open()]
  t.equal(await resume(other), false)
  await page.evaluate(`client.register(${credentials})`)
  await eventually(async () => (await snapshot(other)).status === 'in', WITHIN)
  t.equal(await ask(other), 200)
  await page.evaluate(`client.login(${credentials})`)
  await eventually(async () => JSON.stringify(await snapshot(other)) === JSON.stringify(await snapshot(page)), WITHIN)
  const late = await page.evaluate<{ token: string; sessionId: string }>(
    'client.token().then((token) => ({ token, sessionId: client.getSnapshot().sessionId }))',
  )
  await page.evaluate('client.logout()')
  await eventually(async () => (await snapshot(other)).status === 'out', WITHIN)
  t.same(await snapshot(other), { status: 'out', reason: 'logged_out' })
  t.equal(await failure(other, "client.fetch('/v1/me')"), 'SessionOver logged_out')

  // A tab that was frozen tells of its token late.
  await other.evaluate('void client.subscribe(() => (heard = [...(globalThis.heard ?? []), client.getSnapshot()]))')
  await page.evaluate(
    `new BroadcastChannel('/').postMessage({ kind: 'new', access: ${JSON.stringify(late)}, left: 60000 })`,
  )
  await page.evaluate(`client.login(${credentials})`)
  await eventually(async () => (await snapshot(other)).status === 'in', WITHIN)
  const heard = await other.evaluate<{ sessionId: string }[]>('heard')
  t.notOk(
    heard.some(({ sessionId }) => sessionId === late.sessionId),
    'what is over stays over',
  )
})

/** Freezes the tab, as a browser does to save power; or lets it go on. */
async function setFrozen(page: Page, isFrozen: boolean): Promise<void> {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('Page.setWebLifecycleState', { state: isFrozen ? 'frozen' : 'active' })
}

/** A tab whose refresh is on the way, holds the lock, and does not come back before `pass`: not sent yet, or with its answer. */
async function openStuck(person: Awaited<ReturnType<typeof openPerson>>, isAnswered: boolean) {
  const [stuck, other] = [await person.open(), await person.open()]
  await stuck.evaluate(`client.register(${person.credentials})`)
  await eventually(async () => (await snapshot(other)).status === 'in', WITHIN)
  const events = new EventEmitter()
  const held = once(events, 'held')
  await stuck.route(
    '**/v1/refresh',
    async (route) => {
      const answer = isAnswered ? await route.fetch() : undefined
      events.emit('held', () => (answer === undefined ? route.continue() : route.fulfill({ response: answer })))
    },
    { times: 1 },
  )
  home.clock.advance(FIVE_MINUTES + 20_000)
  await stuck.evaluate(
    "void (globalThis.answer = client.fetch('/v1/me').then(({ status }) => status, ({ name }) => name))",
  )
  const [pass] = (await held) as [() => Promise<void>]
  return { stuck, other, pass }
}

async function staysIn(t: Test, pages: readonly Page[]): Promise<void> {
  for (const page of pages) {
    home.clock.advance(FIVE_MINUTES + 20_000)
    t.equal(await ask(page), 200)
  }
}

t.test('a tab that is frozen while it holds the lock does not hang the others, and comes back', async (t) => {
  const { stuck, other, pass } = await openStuck(await openPerson(t), false)
  await setFrozen(stuck, true)
  const began = performance.now()
  t.equal(await ask(other), 200)
  const waited = performance.now() - began
  t.ok(waited > 4000, `${waited} ms`)
  await pass()
  await setFrozen(stuck, false)
  t.equal(await stuck.evaluate('answer'), 200)
  await staysIn(t, [stuck, other])
})

t.test('a refresh is cut off when another tab has overtaken it: its cookie would be the older one', async (t) => {
  const { stuck, other, pass } = await openStuck(await openPerson(t), true)
  t.equal(await ask(other), 200)
  await pass().catch(() => {}) // nobody waits for it
  t.equal(await stuck.evaluate('answer'), 200)
  await staysIn(t, [stuck, other])
})

t.test('a logout on the way is not cut off by the token that another tab has got', async (t) => {
  const { open, credentials } = await openPerson(t)
  const [page, other] = [await open(), await open()]
  await page.evaluate(`client.register(${credentials})`)
  await resume(other)
  const logout = new EventEmitter()
  await other.route(`${url}/v1/logout`, async (route) => {
    const response = await route.fetch()
    logout.emit('answered')
    await once(logout, 'pass')
    await route.fulfill({ response })
  })
  const answered = once(logout, 'answered')
  await other.evaluate("void (globalThis.answer = client.logout().then(() => 'done', (error) => error.name))")
  await answered
  const access = '{ token: "another", sessionId: client.getSnapshot().sessionId }'
  await page.evaluate(`new BroadcastChannel('/').postMessage({ kind: 'new', access: ${access}, left: 60000 })`)
  await eventually(async () => (await other.evaluate('client.token()')) === 'another', WITHIN)
  logout.emit('pass')
  t.equal(await other.evaluate('answer'), 'done')
})

t.test('a refresh of a frozen tab, answered after a logout in another, brings nobody back', async (t) => {
  const person = await openPerson(t)
  const { stuck, other, pass } = await openStuck(person, true)
  await setFrozen(stuck, true)
  await other.evaluate('client.logout()')
  await pass()
  await setFrozen(stuck, false)
  t.equal(await stuck.evaluate('answer'), 'SessionOver')
  await eventually(async () => (await snapshot(stuck)).status === 'out', WITHIN)
  t.equal((await snapshot(other)).status, 'out')
  t.equal(await resume(await person.open()), false)
})

t.test('without Web Locks and without BroadcastChannel tabs stay logged in, each by itself', async (t) => {
  const script = 'delete Navigator.prototype.locks; delete globalThis.BroadcastChannel'
  const { open, credentials } = await openPerson(t, script)
  const tabs = [await open(), await open(), await open()]
  t.equal(await tabs[0]?.evaluate('navigator.locks ?? globalThis.BroadcastChannel ?? null'), null)
  await tabs[0]?.evaluate(`client.register(${credentials})`)
  t.same(await Promise.all(tabs.map(resume)), [true, true, true])
  for (let times = 0; times < 3; times += 1) {
    home.clock.advance(FIVE_MINUTES + 20_000)
    t.same(await Promise.all(tabs.map(ask)), [200, 200, 200])
  }
})

t.test('a page that is looked at renews its token by itself, one that is hidden when it wakes up', async (t) => {
  const { open, refreshes, credentials } = await openPerson(t)
  const page = await open()
  await page.evaluate(`globalThis.time = 0
    client = latchkey.createClient({ baseUrl: '/', transport: 'cookie', now: () => time })
    client.register(${credentials})`)
  const setHidden = (isHidden: boolean) =>
    `Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true })`
  const later = `time += ${FIVE_MINUTES}`
  const looks = 'new Promise((resolve) => setTimeout(resolve, 1500))' // more than one
  await page.evaluate(looks)
  t.equal(refreshes.length, 0)
  await page.evaluate(later)
  await eventually(() => refreshes.length === 1, WITHIN)
  await page.evaluate('client.token().then(() => {})')

  await page.evaluate(`${setHidden(true)}; ${later}; ${looks}`)
  t.equal(refreshes.length, 1)
  for (const event of [
    'document.dispatchEvent(new Event("visibilitychange"))',
    'dispatchEvent(new Event("online"))',
    'dispatchEvent(new Event("pageshow"))',
  ]) {
    const before = refreshes.length
    await page.evaluate(`${setHidden(true)}; ${later}; ${setHidden(false)}; ${event}; client.token().then(() => {})`)
    t.equal(refreshes.length, before + 1)
  }
  await page.evaluate(`client.dispose(); ${later}; ${looks}`)
  t.equal(refreshes.length, 4)
})

/** A bundle of this program, with the examples as they stand there but for the places. */
async function bundle(contents: string, places: Readonly<Record<string, string>> = {}): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: process.cwd() },
    bundle: true,
    format: 'esm',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"development"' },
    write: false,
  })
  const text = outputFiles[0]?.text ?? ''
  return Object.entries(places).reduce((before, [shown, real]) => before.replaceAll(shown, real), text)
}

const [PAGE, GREETING] = ['page.mjs', 'greeting.jsx']
const STRICT = `
  import { createElement, StrictMode } from 'react'
  import { createRoot } from 'react-dom/client'
  import * as page from './examples/${PAGE}'
  import { Greeting } from './examples/${GREETING}'
  Object.assign(globalThis, page)
  createRoot(document.getElementById('root')).render(createElement(StrictMode, {}, createElement(Greeting)))`

/** A server that answers so, and goes with the test. */
async function serve(t: Test, at: number, answer: (request: IncomingMessage, reply: ServerResponse) => unknown) {
  const server = createServer((request, reply) => void answer(request, reply))
  await once(server.listen(at, '127.0.0.1'), 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://localhost:${(server.address() as AddressInfo).port}`
}

/** An API for the page of another origin: it asks the service who calls. */
async function answerWho({ method, headers }: IncomingMessage, reply: ServerResponse): Promise<void> {
  reply.setHeader('access-control-allow-origin', pages).setHeader('access-control-allow-headers', 'authorization')
  const verified = await home.call('GET', '/v1/verify', { headers: { authorization: headers.authorization ?? '' } })
  const isIn = method === 'OPTIONS' || verified.status === 204
  reply.writeHead(isIn ? 200 : verified.status).end(verified.headers['x-auth-subject'])
}

t.test('a page of another origin with an API logs in; React, which mounts twice, shows it', async (t) => {
  const api = await serve(t, 0, answerWho)
  const script = await bundle(STRICT, { 'http://localhost:3000': url, 'http://localhost:4000': api })
  await serve(t, port + 1, ({ url: path }, reply) => {
    if (path === '/script.js') return reply.setHeader('content-type', 'text/javascript').end(script)
    return reply
      .setHeader('content-type', 'text/html')
      .end('<div id="root"></div><script type="module" src="/script.js"></script>')
  })
  const context = await browser.newPerson()
  t.teardown(() => context.close())
  const page = await context.newPage()
  const shows = (text: string) => page.locator('p', { hasText: text }).waitFor()
  await page.goto(pages)
  await shows('Log in')
  const [email, { id }] = ['page@example.org', (await register('page@example.org')).body.user]
  await page.evaluate(`logIn('${email}', '${PASSWORD}')`)
  await shows(`Welcome, ${id}`)
  t.equal(await page.evaluate('whoAmI()'), id)
  await page.route('**/v1/refresh', (route) => route.fulfill({ status: 503 }), { times: 1 })
  await page.reload()
  await shows(`Welcome, ${id}`) // it has asked again
  await page.evaluate('client.logout()')
  await shows('Log in')
})

t.test('an app keeps its session in a file from start to start', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-app-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const { user } = (await register('app@example.org')).body
  const text = await readFile(join('examples', 'app.mjs'), 'utf8')
  const [own, shown] = [pathToFileURL(join(folder, 'refresh-token')).href, "const file = 'refresh-token'"]
  t.ok(text.includes(shown))
  const program = text.replace(shown, `const file = new URL('${own}')`).replace('http://localhost:3000', url)
  const start = async (...who: string[]) => {
    const args = ['--input-type=module', '-e', program, '-', ...who]
    return JSON.parse((await promisify(execFile)(process.execPath, args, { timeout: 20_000 })).stdout)
  }
  t.match(await start('app@example.org', PASSWORD), { id: user.id })
  t.match(await start(), { id: user.id })
})
