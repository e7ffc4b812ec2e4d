import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import type { BrowserContext, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { openBrowser } from '../support/chromium.ts'
import { startDemo } from '../support/demo.ts'
import { freePort } from '../support/free-port.ts'
import { NO_LIMITS } from '../support/env.ts'
import { loginForm, says } from '../support/page.ts'
import { logIn, openPage, PASSWORD, register, type Person } from '../support/person.ts'
import { eventually } from '../support/settle.ts'

// The example page in a real Chromium, on the demo's three instances: what a person sees of the promises.

const COOKIE = '__Host-refresh_token'
const PATIENCE = { within: 60_000 }

const [demo, browser] = await Promise.all([
  startDemo({ ...NO_LIMITS, ACCESS_TTL: '5s', REFRESH_GRACE: '4s' }),
  openBrowser(),
])
t.teardown(async () => {
  await browser.close()
  await demo.stop()
})

async function newcomer(t: Test, options?: { remember: boolean }): Promise<Person & { readonly email: string }> {
  const person = await openPage(browser, demo)
  t.teardown(() => person.context.close())
  return { ...person, email: await register(person, options) }
}

async function device(t: Test, email: string): Promise<Person> {
  const person = await openPage(browser, demo)
  t.teardown(() => person.context.close())
  await logIn(person, email)
  return person
}

const add = (page: Page, product: string) => page.getByRole('button', { name: `Add ${product}` }).click()
const inCart = (page: Page, count: number) => page.getByText(`${count} in your cart`).waitFor()
const isInside = (page: Page) => page.locator('#inside').isVisible()
const refreshToken = async (context: BrowserContext) =>
  (await context.cookies(demo.url)).find(({ name }) => name === COOKIE)?.value

/** The times at which the tabs of this person have refreshed, from now on. */
function refreshesOf({ context }: Person): number[] {
  const times: number[] = []
  context.on('request', (request) => request.url().endsWith('/v1/refresh') && times.push(Date.now()))
  return times
}

t.test('a login, its cart and its settings survive a reload and the death of every instance in turn', async (t) => {
  const { page, faults } = await newcomer(t)
  await page.getByText('Visit 1 of this login').waitFor()
  await page.getByLabel('Theme').selectOption('dark')
  await add(page, 'Honey')
  await inCart(page, 1)
  await page.reload()
  await page.getByText('Visit 2 of this login').waitFor()
  await inCart(page, 1)

  let count = 1
  for (const name of ['1', '2', '3']) {
    await page.getByRole('button', { name: `Kill instance ${name}` }).click()
    await page.getByRole('button', { name: `Restart instance ${name}` }).waitFor()
    await add(page, 'Pears')
    await inCart(page, (count += 1))
    await page.getByRole('button', { name: `Restart instance ${name}` }).click()
    await page.getByRole('button', { name: `Kill instance ${name}` }).waitFor()
    await add(page, 'Green tea')
    await inCart(page, (count += 1))
  }
  await page.reload()
  await page.getByText('Visit 3 of this login').waitFor()
  await inCart(page, 7)
  t.equal(await page.getByLabel('Theme').inputValue(), 'dark')
  t.equal(await page.locator('html').getAttribute('data-theme'), 'dark')
  t.strictSame(faults, [])
})

t.test('while no instance is left the page says so and waits; then it goes on by itself', async (t) => {
  const person = await newcomer(t)
  const { page } = person
  const before = await refreshToken(person.context)
  await demo.kill('1', '2', '3')
  t.teardown(() => demo.start('1', '2', '3'))
  const refreshes = refreshesOf(person)
  await add(page, 'Honey')
  await says(page, 'cannot answer right now')
  await eventually(() => refreshes.length >= 3, PATIENCE) // the access token has run out, and is asked for again and again
  t.ok(await isInside(page), 'not taken for a logout')
  t.equal(await refreshToken(person.context), before, 'nor is the cookie touched')
  const tab = await person.context.newPage()
  await tab.goto(demo.url)
  await says(tab, 'cannot answer right now')
  await demo.start('1', '2', '3')
  await says(page, 'Nothing was lost')
  await inCart(page, 1)
  await tab.getByRole('heading', { name: 'Welcome' }).waitFor()
})

t.test('only a 401 of /v1/refresh ends a session: whatever else a proxy says there is waited out', async (t) => {
  const person = await newcomer(t)
  const { page } = person
  await page.getByText('Visit 1 of this login').waitFor()
  const refusals = [400, 403, 404, 404, 408, 425]
  await page.route('**/v1/refresh', (route) => {
    const status = refusals.shift()
    return status === undefined ? route.fallback() : route.fulfill({ status, body: 'from a proxy' })
  })
  const refreshes = refreshesOf(person)
  await page.reload()
  await says(page, 'cannot answer right now')
  await page.getByText('Visit 2 of this login').waitFor()
  t.strictSame(refusals, [])
  const [first = 0, last = 0] = [refreshes[0], refreshes[6]]
  t.ok(last - first > 3000, `with a pause after each: all within ${last - first} ms`)
})

t.test('the countdown of the access token runs, and begins again when it is renewed', async (t) => {
  const person = await newcomer(t)
  const refreshes = refreshesOf(person)
  const left = () => person.page.evaluate<number>("document.getElementById('life').value")
  await eventually(async () => (await left()) > 0.7, PATIENCE)
  await eventually(async () => (await left()) < 0.7, PATIENCE)
  await eventually(async () => (await left()) > 0.8, PATIENCE)
  t.ok(refreshes.length > 0)
})

t.test('two tabs refresh once between them, time after time', async (t) => {
  const person = await newcomer(t)
  const other = await person.newTab()
  const refreshes = refreshesOf(person)
  const shown = new Map<Page, string | undefined>()
  person.context.on('request', (request) => shown.set(request.frame().page(), request.headers()['authorization']))
  const showTheSame = async () => {
    await Promise.all([add(person.page, 'Pears'), add(other, 'Pears')])
    const [token, ...others] = new Set(shown.values())
    return token !== undefined && others.length === 0 && shown.size === 2
  }
  for (const count of [1, 2, 3]) {
    await eventually(() => refreshes.length >= count, PATIENCE)
    await t.resolves(eventually(showTheSame, PATIENCE), 'what one tab was given, the other shows')
  }
  const gaps = refreshes.slice(1).map((time, index) => time - (refreshes[index] ?? 0))
  t.ok(Math.min(...gaps) > 1000, `no two refresh at once: ${gaps.join(', ')} ms apart`)
  for (const page of [person.page, other]) t.ok(await isInside(page))
})

t.test('what two tabs put into the cart at once is all there', async (t) => {
  const person = await newcomer(t)
  const other = await person.newTab()
  const shop = async (page: Page) => {
    for (let count = 0; count < 5; count++) await add(page, 'Pears')
  }
  await Promise.all([shop(person.page), shop(other)])
  await t.resolves(Promise.any([person.page, other].map((page) => inCart(page, 10))), 'the last answer shows them all')
})

t.test('a logout in one tab ends the other at its next call, and takes the cookie', async (t) => {
  const person = await newcomer(t)
  const other = await person.newTab()
  await person.page.getByRole('button', { name: 'Log out', exact: true }).click()
  await loginForm(person.page)
  t.equal(await refreshToken(person.context), undefined)
  const isOver = loginForm(other) // it may have called by itself already
  await Promise.race([isOver, add(other, 'Honey')])
  await isOver
  await loginForm(other)
  t.equal(await other.locator('#welcome').textContent(), '', 'nothing of the person stays inside the page')
})

t.test('a password changed on another device ends this session at its next call, and says why', async (t) => {
  const { page, email } = await newcomer(t)
  const elsewhere = await device(t, email)
  const form = elsewhere.page.locator('#change')
  const change = async (current: string) => {
    await form.getByLabel('Current password').fill(current)
    await form.getByLabel('New password').fill('eight blue bicycles in the snow')
    await form.getByRole('button').click()
  }
  await change('not the password at all')
  await form.getByText('The current password is wrong.').waitFor()
  await change(PASSWORD)
  await says(elsewhere.page, 'Your password is changed.')

  await loginForm(page) // it renews its access token by itself: that is the call
  await says(page, 'the password was changed on another device')
  await elsewhere.page.reload()
  await elsewhere.page.getByRole('heading', { name: 'Welcome' }).waitFor()
})

t.test('one device logs out another, all others, and everything', async (t) => {
  const { page, email } = await newcomer(t)
  const [first, second] = [await device(t, email), await device(t, email)]
  const devices = first.page.getByRole('list').filter({ hasText: 'this device' }).getByRole('listitem')
  await first.page.reload()
  await eventually(async () => (await devices.count()) === 3, PATIENCE)
  await first.page.getByRole('button', { name: 'Log out there' }).first().click()
  await says(first.page, 'Logged out there.')
  await eventually(async () => (await devices.count()) === 2, PATIENCE)
  await first.page.getByRole('button', { name: 'Log out everywhere else' }).click()
  await says(first.page, 'Logged out everywhere else.')
  await Promise.all([loginForm(page), loginForm(second.page)])
  t.ok(await isInside(first.page))
  await first.page.getByRole('button', { name: 'Log out everywhere', exact: true }).click()
  await loginForm(first.page)
})

t.test('what waits for the service when a person logs out is not done as the next one', async (t) => {
  const person = await newcomer(t)
  const { page } = person
  await page.getByText('Visit 1 of this login').waitFor()
  await page.clock.install()
  for (const path of ['**/v1/session/data', '**/v1/logout'])
    await page.route(
      path,
      (route) =>
        route.fulfill({ status: 503, headers: { 'retry-after': '3600' }, json: { code: 'store_unavailable' } }),
      { times: 1 },
    )
  await add(page, 'Honey')
  await add(page, 'Honey') // waits for the first
  await says(page, 'cannot answer right now')
  const logouts: string[] = []
  page.on('request', (request) => request.url().endsWith('/v1/logout') && logouts.push(request.method()))
  const refused = page.waitForResponse('**/v1/logout')
  await page.getByRole('button', { name: 'Log out', exact: true }).click()
  t.equal((await refused).status(), 503) // and waits
  await page.getByRole('button', { name: 'Log out', exact: true }).click()
  await loginForm(page)
  await register(person)
  await page.clock.fastForward(3_600_000)
  await add(page, 'Pears') // has its turn after those two
  await inCart(page, 1)
  t.strictSame(logouts, ['POST', 'POST'], 'nor is the logout that waited')
  t.strictSame(person.faults, [])
})

/** Holds back what the service answers to the next such request of this page; `answered` resolves when it has. */
async function holdAnswer(page: Page, method: string, path: string) {
  const events = new EventEmitter()
  let isTaken = false
  const [answered, passed] = [once(events, 'answered'), once(events, 'passed')]
  await page.route(demo.url + path, async (route) => {
    const request = route.request()
    if (isTaken || request.method() !== method) return route.fallback()
    isTaken = true
    const answer = await fetch(request.url(), { method, headers: request.headers(), body: request.postData() })
    const held = { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() }
    events.emit('answered')
    await passed
    await route.fulfill({ ...held, headers: { ...held.headers, 'x-instance': 'late' } })
  })
  return { answered, pass: () => events.emit('passed') }
}

t.test('an answer that comes when the next person is inside is not shown to them', async (t) => {
  const person = await newcomer(t)
  const { page } = person
  const other = await person.newTab()
  await add(page, 'Honey')
  await inCart(page, 1)
  const { answered, pass } = await holdAnswer(page, 'PATCH', '/v1/session/data')
  await add(page, 'Honey')
  await answered
  await other.getByRole('button', { name: 'Log out', exact: true }).click()
  await loginForm(other)
  const counted = page.waitForResponse((answer) => answer.request().method() === 'PATCH' && answer.ok())
  const email = await register({ ...person, page: other })
  await counted
  await page.getByText(`Welcome, ${email.split('@')[0]}`).waitFor()
  await inCart(page, 0)
  pass()
  await page.getByText('200 · late').waitFor()
  t.equal(await page.locator('#cart-total').textContent(), '0 in your cart')
  t.strictSame(person.faults, [])
})

t.test(
  'who logs out while the password is being changed does so after its answer, which sets the cookie',
  async (t) => {
    const person = await newcomer(t)
    const { page } = person
    const other = await person.newTab()
    const { answered, pass } = await holdAnswer(page, 'POST', '/v1/password')
    const form = page.locator('#change')
    await form.getByLabel('Current password').fill(PASSWORD)
    await form.getByLabel('New password').fill('eight blue bicycles in the snow')
    await form.getByRole('button').click()
    await answered
    const before = await refreshToken(person.context)
    await other.getByRole('button', { name: 'Log out', exact: true }).click()
    const waiting = () => other.evaluate<number>('navigator.locks.query().then(({ pending }) => pending.length)')
    await eventually(async () => (await waiting()) > 0, { within: 10_000 })
    t.equal(await refreshToken(person.context), before)
    pass()
    await loginForm(other)
    await loginForm(page)
    t.equal(await refreshToken(person.context), undefined)
    const email = await register({ ...person, page: other })
    await other.reload()
    await other.getByText(`Welcome, ${email.split('@')[0]}`).waitFor()
    t.strictSame(person.faults, [])
  },
)

t.test('a computer whose clock is put back can log in', async (t) => {
  const person = await newcomer(t)
  const { page, email } = person
  await page.getByRole('button', { name: 'Log out', exact: true }).click()
  await loginForm(page)
  await page.clock.setSystemTime(Date.now() - 3_600_000)
  await logIn(person, email)
  t.ok(await isInside(page))
})

t.test('a visit that the service will not count is not counted, and not insisted on', async (t) => {
  const { page } = await newcomer(t)
  let patches = 0
  await page.route('**/v1/session/data', (route) => {
    if (route.request().method() !== 'PATCH') return route.fallback()
    patches += 1
    return route.fulfill({ status: 413, json: { code: 'too_large' } })
  })
  await page.reload()
  await page.getByText('Visit 1 of this login').waitFor()
  t.equal(patches, 1)
})

t.test('the cookie is as the contract says; it lasts only where one is remembered', async (t) => {
  const cookieOf = async ({ context, page }: Person) => {
    const { cookies } = await (await context.newCDPSession(page)).send('Network.getCookies', { urls: [demo.url] })
    t.equal(cookies.length, 1)
    return cookies[0]
  }
  const plain = await cookieOf(await newcomer(t))
  const attributes = { name: COOKIE, httpOnly: true, secure: true, sameSite: 'Strict', path: '/', domain: 'localhost' }
  t.match(plain, { ...attributes, session: true })
  const remembered = await cookieOf(await newcomer(t, { remember: true }))
  t.match(remembered, { ...attributes, session: false })
  const days = ((remembered?.expires ?? 0) - Date.now() / 1000) / 86_400
  t.ok(Math.abs(days - 14) < 0.1, `${days} days`)
})

// Everything that a script of the page can reach by itself, as one text.
const READABLE = `(async () => {
  const seen = new Set()
  const found = []
  const walk = (value, depth) => {
    if (typeof value === 'string') return found.push(value)
    if (value === null || !['object', 'function'].includes(typeof value) || seen.has(value) || depth > 4) return
    seen.add(value)
    for (const key of Reflect.ownKeys(value)) {
      try { found.push(String(key)); walk(value[key], depth + 1) } catch {}
    }
  }
  walk(globalThis, 0)
  const stored = [localStorage, sessionStorage].map((storage) => JSON.stringify({ ...storage }))
  const databases = (await indexedDB.databases()).map(({ name }) => name)
  const caches_ = await caches.keys()
  const entries = performance.getEntries().map(({ name }) => name)
  const places = [location.href, document.referrer, document.title, window.name, JSON.stringify(history.state)]
  return { text: [...found, ...stored, ...places, ...entries, document.cookie, document.documentElement.outerHTML].join('\\n'),
    stores: [localStorage.length, sessionStorage.length, databases.length, caches_.length, document.cookie.length] }
})()`

t.test('no token is in anything that a script can read', async (t) => {
  const person = await newcomer(t)
  const { page, context } = person
  const answer = await page.waitForResponse((response) => response.url().endsWith('/v1/refresh'))
  const { access_token: access } = (await answer.json()) as { access_token: string }
  const refresh = (await refreshToken(context)) ?? ''
  await add(page, 'Honey')
  await inCart(page, 1)
  const read = () => page.evaluate<{ text: string; stores: number[] }>(READABLE)
  const { text, stores } = await read()
  t.strictSame(stores, [0, 0, 0, 0, 0], 'nothing is stored at all')
  t.match(text, 'Honey', 'the page has been read')
  for (const secret of [access, access.split('.')[1] ?? '', refresh, refresh.slice(-20)]) {
    t.ok(secret.length >= 20)
    t.notOk(text.includes(secret))
  }
  t.notMatch(text, /eyJ[\w-]{10,}\./, 'nor any other token')
  await page.evaluate(`void (globalThis.shop = { login: { token: ${JSON.stringify(access)} } })`)
  t.ok((await read()).text.includes(access), 'one that was there would have been found')
})

/** A page of somebody else's, on this host name. */
async function strangerAt(t: Test, host: string): Promise<string> {
  const server = createServer((_request, reply) => {
    reply.setHeader('content-type', 'text/html').end('<!doctype html><title>Win a bicycle</title>')
  })
  const port = await freePort()
  await once(server.listen(port, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  return `http://${host}:${port}/`
}

const submit = (url: string, type: string, hasField = true) => `{
  const form = Object.assign(document.createElement('form'), { method: 'post', action: '${url}', enctype: '${type}' })
  const field = Object.assign(document.createElement('input'), { name: '{"transport":"cookie","x":"', value: '"}' })
  if (${hasField}) form.append(field)
  document.body.append(form)
  form.submit()
}`

const FORMS = [
  ['text/plain', true],
  ['application/x-www-form-urlencoded', true],
  ['application/x-www-form-urlencoded', false],
] as const

const steal = (url: string, init: string) => `fetch('${url}', { method: 'POST', credentials: 'include', ${init} })
  .then((answer) => answer.type === 'opaque' ? 'opaque' : answer.status, () => 'refused')`

// localhost on another port is the same site: there the cookie is sent, SameSite=Strict or not. Each form, as it is refused:
const STRANGERS = [
  {
    kind: 'another site',
    host: '127.0.0.1',
    refusals: { '/v1/refresh': [415, 415, 401], '/v1/logout': [415, 415, 401], '/v1/login': [415, 415, 400] },
  },
  {
    kind: 'another origin of the same site',
    host: 'localhost',
    refusals: { '/v1/refresh': [403, 403, 403], '/v1/logout': [403, 403, 403], '/v1/login': [415, 415, 400] },
  },
]

for (const { kind, host, refusals } of STRANGERS) {
  t.test(`a page of ${kind} can neither use nor end the session, by form or by fetch`, async (t) => {
    const person = await newcomer(t)
    // The page itself refreshes now and then; what is watched here must not move by that.
    await person.page.goto('about:blank')
    const before = await refreshToken(person.context)
    const stranger = await person.context.newPage()
    const statuses: Record<string, number[]> = {}
    stranger.on('response', (response) => {
      const { pathname, origin } = new URL(response.url())
      if (origin === demo.url && response.request().method() === 'POST')
        (statuses[pathname] ??= []).push(response.status())
    })
    const home = await strangerAt(t, host)
    for (const path of Object.keys(refusals)) {
      for (const [type, hasField] of FORMS) {
        await stranger.goto(home)
        const submitted = stranger.evaluate(submit(demo.url + path, type, hasField))
        await Promise.all([stranger.waitForURL(demo.url + path), submitted])
      }
      await stranger.goto(home)
      t.equal(await stranger.evaluate(steal(demo.url + path, '')), 'refused')
      t.equal(await stranger.evaluate(steal(demo.url + path, "mode: 'no-cors', body: '{}'")), 'refused')
      const asked = `headers: { 'content-type': 'application/json' }, body: '{"transport":"cookie"}'`
      t.equal(await stranger.evaluate(steal(demo.url + path, asked)), 'refused', 'its preflight is')
    }
    t.strictSame(statuses, refusals)
    t.equal(await refreshToken(person.context), before, 'the cookie is the same')
    await person.page.goto(demo.url)
    await person.page.getByRole('heading', { name: 'Welcome' }).waitFor()
  })
}

t.test('a page of another origin cannot press the demo’s buttons', async (t) => {
  const person = await newcomer(t)
  const stranger = await person.context.newPage()
  await stranger.goto(await strangerAt(t, 'localhost'))
  const url = `${demo.url}/demo/instances/1/kill`
  const [answer] = await Promise.all([stranger.waitForResponse(url), stranger.evaluate(submit(url, 'text/plain'))])
  t.equal(answer.status(), 403)
  t.equal(await person.page.getByRole('button', { name: 'Kill instance 1' }).count(), 1)
})
