import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { CDPSession, Locator, Page, Route } from 'playwright-core'
import t, { type Test } from 'tap'
import { openBrowser } from '../support/chromium.ts'
import { startDemo } from '../support/demo.ts'
import { NO_LIMITS } from '../support/env.ts'
import { appOf, ON_THE_WALL } from '../support/factors.ts'
import { complains, faultsFor, hasFocus, loginForm, says } from '../support/page.ts'
import { openPage, PASSWORD, type Person, register } from '../support/person.ts'
import { eventually } from '../support/settle.ts'

// What a person does with second factors, by the keyboard alone, in a real Chromium on the demo; its passkeys are those of a virtual authenticator.

const STEP_UP_MS = 5000
const WITHIN = { within: 30_000 }
const JSQR = readFileSync(createRequire(import.meta.url).resolve('jsqr'), 'utf8')

const [demo, browser] = await Promise.all([
  startDemo({ ...NO_LIMITS, ACCESS_TTL: '5m', STEP_UP_AGE: `${STEP_UP_MS}ms` }),
  openBrowser(),
])
t.teardown(async () => {
  await browser.close()
  await demo.stop()
})

type Visitor = Person & { readonly email: string }

async function newcomer(t: Test, options = {}, place = demo): Promise<Visitor> {
  const person = await openPage(browser, place, options)
  t.teardown(() => person.context.close())
  return { ...person, email: await register(person) }
}

/** Presses a button, by the keyboard. */
async function press(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name, exact: true }).focus()
  await page.keyboard.press('Enter')
}

/** Types into a field, and sends it. */
async function send(page: Page, field: Locator, value: string): Promise<void> {
  await field.fill(value)
  await page.keyboard.press('Enter')
}

const inside = (page: Page) => page.locator('#inside').waitFor()

async function logOut(page: Page): Promise<void> {
  await press(page, 'Log out')
  await loginForm(page)
}

/** The first step of a login: the dialogue asks for the second. */
async function typePassword(page: Page, email: string): Promise<void> {
  await page.locator('#door').getByLabel('E-mail address').fill(email)
  await send(page, page.locator('#door').getByLabel('Password'), PASSWORD)
  await page.getByRole('dialog', { name: 'One more step' }).waitFor()
}

async function prove(page: Page, value: string): Promise<void> {
  await send(page, page.locator('#proof [name=typed]'), value)
}

/** Resolves when no session of before is fresh any more. */
async function grownOld(): Promise<void> {
  const began = performance.now()
  await eventually(() => performance.now() - began > STEP_UP_MS + 1500, WITHIN)
}

/** Shows that it is this person, as long as the page asks for it; resolves when `done` is seen. */
async function proveUntil(page: Page, done: () => Promise<boolean>, proof: () => Promise<void>): Promise<void> {
  const dialog = page.getByRole('dialog', { name: 'Is it you?' })
  while (!(await done())) {
    await eventually(async () => (await dialog.isVisible()) || (await done()), WITHIN)
    if (!(await dialog.isVisible())) continue
    await proof()
    await eventually(async () => !(await dialog.isVisible()), WITHIN)
  }
}

const byPassword = (page: Page) => () => prove(page, PASSWORD)
const isSeen = (page: Page, selector: string) => () => page.locator(selector).isVisible()

async function inBothLanguages(t: Test, page: Page, place: string): Promise<void> {
  for (const language of ['ko', 'en']) {
    await page.locator('#language').selectOption(language)
    await page.locator(`html[lang=${language}]`).waitFor()
    await eventually(async () => (await page.locator('[data-words]:visible:empty').count()) === 0, WITHIN)
    t.strictSame(await faultsFor(page), [], `${place}, ${language}`)
    t.equal(await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth'), 0, 'nothing is cut off')
  }
}

/** What a camera reads on the screen. */
async function scanned(page: Page): Promise<URL> {
  const png = (await page.locator('#qr svg').screenshot()).toString('base64')
  const camera = await page.context().newPage()
  await camera.evaluate(JSQR)
  const read = `(async () => {
    const picture = new Image()
    picture.src = 'data:image/png;base64,${png}'
    await picture.decode()
    const [width, height] = [picture.width, picture.height]
    const canvas = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d')
    canvas.drawImage(picture, 0, 0)
    return jsQR(canvas.getImageData(0, 0, width, height).data, width, height).data
  })()`
  const text = await camera.evaluate<string>(read)
  await camera.close()
  return new URL(text)
}

/** The service does it, and nobody hears of it. */
async function loseNextAnswer(page: Page, path: string): Promise<void> {
  const lose = async (route: Route) => {
    const answer = await route.fetch()
    return answer.ok() ? route.abort() : route.fulfill({ response: answer })
  }
  await page.route(path, lose, { times: 1 })
}

async function shownCodes(page: Page): Promise<string[]> {
  await hasFocus(page, '#codes-title')
  return page.locator('#code-list li').allTextContents()
}

/** Enrols an app by the QR code on the screen; resolves to it, and the recovery codes. */
async function enrolApp(page: Page) {
  await press(page, 'Set up an authenticator app')
  await proveUntil(page, isSeen(page, '#qr svg'), byPassword(page))
  const app = appOf(ON_THE_WALL, (await scanned(page)).searchParams.get('secret') ?? '')
  await send(page, page.locator('#enrol-totp').getByLabel('Code'), app.code(-1))
  await proveUntil(page, isSeen(page, '#codes'), byPassword(page))
  return { app, codes: await shownCodes(page) }
}

/** A virtual authenticator of this device, which asks nobody: whether the person is `willing` is told. */
async function giveAuthenticator(page: Page): Promise<{ willing: (is: boolean) => Promise<unknown>; cdp: CDPSession }> {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: false,
    },
  })
  const willing = (enabled: boolean) =>
    cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled })
  return { willing, cdp }
}

t.test('an app is set up by its QR code, asked for at the next login, and a printed code lets in once', async (t) => {
  const { page, email, faults } = await newcomer(t, { viewport: { width: 320, height: 640 } })
  await press(page, 'Set up an authenticator app')
  await proveUntil(page, isSeen(page, '#qr svg'), byPassword(page))
  await hasFocus(page, '#enrol-totp [name=code]')
  const uri = await scanned(page)
  t.match(uri, { protocol: 'otpauth:', pathname: `/Latchkey:${encodeURIComponent(email)}` })
  const secret = uri.searchParams.get('secret') ?? ''
  t.equal((await page.locator('#secret').textContent())?.replaceAll(' ', ''), secret, 'and can be typed')
  await inBothLanguages(t, page, 'an app is set up')
  const app = appOf(ON_THE_WALL, secret)
  const enrol = page.locator('#enrol-totp')
  await send(page, enrol.getByLabel('Code'), app.code(10))
  await proveUntil(page, async () => /This code does not fit/.test((await enrol.textContent()) ?? ''), byPassword(page))
  const spent = app.code(-1)
  await loseNextAnswer(page, '**/v1/factors/totp/confirm')
  await send(page, enrol.getByLabel('Code'), spent)
  await proveUntil(page, isSeen(page, '#codes'), byPassword(page))
  const codes = await shownCodes(page)
  t.equal(new Set(codes).size, 10)
  await says(page, 'The app is set up.')
  await page.locator('#trail li').filter({ hasText: 'A second factor was added' }).waitFor()
  await inBothLanguages(t, page, 'recovery codes')
  await page.emulateMedia({ media: 'print' })
  t.equal(await page.locator('h1:visible, h2:visible').count(), 1, 'on paper are the codes alone')
  t.equal(await page.locator('#code-list li:visible').count(), 10)
  await page.emulateMedia({ media: 'screen' })
  await press(page, 'I have kept them')
  await hasFocus(page, '#factors-title')
  t.equal(await page.locator('#code-list li').count(), 0, 'they are shown once')
  await page.getByText('10 left').waitFor()

  await logOut(page)
  await typePassword(page, email)
  await hasFocus(page, '#proof [name=typed]')
  t.strictSame(await faultsFor(page), [], 'the second step')
  await prove(page, spent)
  await complains(page, '#proof', 'This code does not fit, or was used before.')
  await prove(page, ` ${app.code().slice(0, 3)} ${app.code().slice(3)}`)
  await inside(page)
  await logOut(page)
  await typePassword(page, email)
  await press(page, 'Use a recovery code')
  await prove(page, (codes[0] ?? '').toLowerCase())
  await inside(page)
  await page.getByText('9 left').waitFor()
  await logOut(page)
  await typePassword(page, email)
  await press(page, 'Use a recovery code')
  await prove(page, codes[0] ?? '')
  await complains(page, '#proof', 'This code does not fit')
  t.strictSame(faults, [])
})

t.test('what matters asks who is there; who closes the dialogue has changed nothing', async (t) => {
  const { page, faults } = await newcomer(t)
  const { keyboard } = page
  const { app } = await enrolApp(page)
  await press(page, 'I have kept them')
  await grownOld()
  await page.locator('#language').selectOption('ko')
  await press(page, '인증 앱 삭제')
  await page.getByRole('dialog', { name: '본인 확인' }).waitFor()
  t.strictSame(await faultsFor(page), [], 'the dialogue in Korean')
  await keyboard.press('Escape')
  await page.locator('#language').selectOption('en')
  await press(page, 'Remove Authenticator app')
  await page.getByRole('dialog', { name: 'Is it you?' }).waitFor()
  await hasFocus(page, '#proof [name=typed]')
  t.strictSame(await faultsFor(page), [])
  await keyboard.press('Escape')
  await hasFocus(page, '[data-name=factor-totp]')
  t.equal(await page.locator('#second-factors .fault').first().textContent(), '')
  await keyboard.press('Enter')
  await hasFocus(page, '#proof [name=typed]')
  await prove(page, app.code(10))
  await complains(page, '#proof', 'This code does not fit')
  await prove(page, app.code())
  await says(page, 'It is removed.')
  await page.getByText('not set up').waitFor()
  t.strictSame(faults, [])
})

t.test('a passkey logs in: by a button, where the address is typed, and as the second step', async (t) => {
  const { page, email, faults } = await newcomer(t)
  const device = await giveAuthenticator(page)
  await device.willing(true)
  await page.locator('#add-passkey').getByLabel('Name').fill('My phone')
  await press(page, 'Add a passkey')
  await proveUntil(page, isSeen(page, '#codes'), byPassword(page))
  const codes = await shownCodes(page)
  await page.locator('#factors li').filter({ hasText: 'My phone' }).waitFor()
  await press(page, 'Add a passkey')
  const isRefused = async () => /has a passkey already/.test((await page.locator('#add-passkey').textContent()) ?? '')
  await proveUntil(page, isRefused, () => press(page, 'Use a passkey'))
  await device.willing(false)
  await logOut(page)

  await device.willing(true)
  await press(page, 'Log in with a passkey')
  await inside(page)

  await device.willing(true) // the person chooses it where the address is typed, as soon as it is offered there
  const chosen = page.waitForResponse('**/v1/login/passkey')
  await press(page, 'Log out')
  t.equal((await chosen).status(), 200)
  await inside(page)
  await device.willing(false)
  await logOut(page)

  await typePassword(page, email)
  await press(page, 'Use a passkey') // and has it not at hand
  await press(page, 'Use a recovery code')
  await prove(page, codes[0] ?? '')
  await inside(page)
  await logOut(page)

  await device.willing(true)
  await typePassword(page, email)
  await press(page, 'Use a passkey')
  await inside(page)
  await device.willing(false)
  await grownOld()
  await device.willing(true)
  await press(page, 'Remove My phone')
  await page.getByRole('dialog', { name: 'Is it you?' }).waitFor()
  await press(page, 'Use a passkey')
  await says(page, 'It is removed.')
  await device.willing(false)
  await logOut(page)
  await device.willing(true)
  await press(page, 'Log in with a passkey')
  await complains(page, '#passkey-door', 'This passkey opens nothing here.')
  t.strictSame(faults, [])
})

t.test('where a second factor is required the page leads to it, and then to the rest', async (t) => {
  const strict = await startDemo({ ...NO_LIMITS, SECOND_FACTOR: 'required' })
  t.teardown(() => strict.stop())
  const { page, faults } = await newcomer(t, {}, strict)
  await says(page, 'This service asks for a second factor')
  t.equal(await page.locator('#trail li').count(), 0)
  const device = await giveAuthenticator(page)
  await device.willing(true)
  await press(page, 'Add a passkey')
  await shownCodes(page)
  await page.locator('#trail li').filter({ hasText: 'A second factor was added' }).waitFor()
  await press(page, 'Remove Chrome, Linux')
  await complains(page, '#second-factors', 'The last one cannot be removed')
  await press(page, 'Add Honey')
  await page.getByText('1 in your cart').waitFor()
  t.strictSame(faults, [])
})
