import type { Page } from 'playwright-core'
import t from 'tap'
import { openBrowser } from '../support/chromium.ts'
import { startDemo } from '../support/demo.ts'
import { NO_LIMITS } from '../support/env.ts'
import { faultsFor, hasFocus } from '../support/page.ts'
import { logIn, openPage, PASSWORD, type Person, register } from '../support/person.ts'

// The example page as a page: two languages, two themes, no mouse, no eyes, a phone.

const [demo, browser] = await Promise.all([startDemo({ ...NO_LIMITS, ACCESS_TTL: '5m' }), openBrowser()])
t.teardown(async () => {
  await browser.close()
  await demo.stop()
})

const background = (page: Page) => page.evaluate<string>('getComputedStyle(document.documentElement).backgroundColor')

for (const theme of ['light', 'dark'] as const) {
  t.test(`in both languages, ${theme}, everybody can read the page and reach what is on it`, async (t) => {
    const person = await openPage(browser, demo, { colorScheme: theme })
    t.teardown(() => person.context.close())
    const { page } = person
    t.equal(await background(page), theme === 'light' ? 'rgb(246, 245, 241)' : 'rgb(19, 22, 24)', 'as the system is')
    t.strictSame(await faultsFor(page), [], 'the login form')
    await register(person)
    await page.getByRole('button', { name: 'Add Honey' }).click()
    await page.getByRole('button', { name: 'Kill instance 2' }).click()
    await page.getByRole('button', { name: 'Restart instance 2' }).waitFor()
    await page.locator('#trail li').filter({ hasText: 'The account was made' }).waitFor()
    for (const [language, name] of [
      ['ko', '장바구니'],
      ['en', 'Cart'],
    ] as const) {
      await page.locator('#language').selectOption(language)
      await page.getByRole('heading', { name, exact: true }).waitFor()
      t.equal(await page.locator('html').getAttribute('lang'), language)
      t.strictSame(await faultsFor(page), [], language)
      t.equal(await page.locator('[data-words]:visible:empty').count(), 0, 'nothing is without words')
    }
    await page.getByRole('button', { name: 'Restart instance 2' }).click()
    await page.getByRole('button', { name: 'Kill instance 2' }).waitFor()
    t.strictSame(person.faults, [])
  })
}

t.test('a Korean browser is spoken to in Korean, the service’s own rules included', async (t) => {
  const person = await openPage(browser, demo, { locale: 'ko-KR' })
  t.teardown(() => person.context.close())
  const { page } = person
  await page.getByRole('heading', { name: '로그인' }).waitFor()
  await page.getByRole('button', { name: '회원가입' }).click()
  const door = page.locator('#door')
  await door.getByLabel('이메일 주소').fill('bora@example.org')
  await door.getByLabel('비밀번호').fill('latchkey')
  await door.getByRole('button', { name: '회원가입' }).click()
  await door.getByRole('alert').filter({ hasText: '15자 이상으로 해 주세요. 이메일 주소나' }).waitFor()
  t.strictSame(await faultsFor(page), [])
})

t.test('a refusal is said in words, beside the form, and the session form stays as it was', async (t) => {
  const person = await openPage(browser, demo)
  t.teardown(() => person.context.close())
  const { page } = person
  const email = await register(person)
  await page.getByRole('button', { name: 'Log out', exact: true }).click()
  const door = page.locator('#door')
  const fault = (text: string) => door.getByRole('alert').filter({ hasText: text }).waitFor()
  const submit = async (verb: string, address: string, password: string) => {
    await door.getByLabel('E-mail address').fill(address)
    await door.getByLabel('Password').fill(password)
    await door.getByRole('button', { name: verb }).click()
  }
  await submit('Log in', email, 'not the password at all')
  await fault('The e-mail address or the password is wrong.')
  t.equal(await door.getByLabel('E-mail address').inputValue(), email)
  await hasFocus(page, '#door [name=password]')
  await page.getByRole('button', { name: 'Register' }).click()
  await submit('Register', 'no address', PASSWORD)
  await fault('with a full e-mail address')
  await submit('Register', 'ada@example.org', 'short')
  await fault('Use at least 15 characters.')
  await submit('Register', email, PASSWORD)
  await fault('There is an account with this address')
  t.strictSame(person.faults, [])
})

t.test('the keyboard alone is enough, and the focus is never lost', async (t) => {
  const person: Person = await openPage(browser, demo)
  t.teardown(() => person.context.close())
  const { page } = person
  const { keyboard } = page
  await hasFocus(page, '#door [name=email]')
  for (let count = 0; count < 5; count++) await keyboard.press('Tab')
  await hasFocus(page, '#other-door')
  await keyboard.press('Enter')
  await hasFocus(page, '#door [name=email]')
  await keyboard.type(`keys-${process.pid}@example.org`)
  await keyboard.press('Tab')
  await keyboard.type(PASSWORD)
  await keyboard.press('Tab')
  await keyboard.press('Space')
  await keyboard.press('Enter')
  await hasFocus(page, '#welcome')
  await keyboard.press('Tab')
  await hasFocus(page, '#log-out')
  await keyboard.press('Tab')
  await hasFocus(page, '#ask-verify button')
  await keyboard.press('Tab')
  await keyboard.press('Enter')
  await page.getByText('1 in your cart').waitFor()
  await hasFocus(page, '[data-name=add-tea]')
  await keyboard.press('Shift+Tab')
  await keyboard.press('Enter')
  await page.getByText('0 in your cart').waitFor()
  await hasFocus(page, '#cart-title')
  await page.getByText('remembered').waitFor()
  for (let count = 0; count < 2; count++) await keyboard.press('Shift+Tab')
  await hasFocus(page, '#log-out')
  await keyboard.press('Enter')
  await hasFocus(page, '#door [name=password]')
})

t.test('settings follow a person to another device', async (t) => {
  const first = await openPage(browser, demo)
  const second = await openPage(browser, demo)
  t.teardown(() => Promise.all([first.context.close(), second.context.close()]))
  const email = await register(first)
  const kept = () => first.page.waitForResponse((answer) => answer.request().method() === 'PATCH' && answer.ok())
  await Promise.all([kept(), first.page.getByLabel('Theme').selectOption('dark')])
  await Promise.all([kept(), first.page.getByLabel('Language').selectOption('ko')])
  await logIn(second, email)
  await second.page.getByRole('heading', { name: '장바구니' }).waitFor()
  t.equal(await background(second.page), 'rgb(19, 22, 24)')
})

t.test('a person reads what happened to the account, and why a login ended, by the keyboard alone', async (t) => {
  const first = await openPage(browser, demo)
  const second = await openPage(browser, demo, { locale: 'ko-KR' })
  t.teardown(() => Promise.all([first.context.close(), second.context.close()]))
  const data = { email: await register(first), password: PASSWORD }
  for (let count = 0; count < 9; count++) await first.context.request.post(`${demo.url}/v1/login`, { data })
  const { page } = second
  const door = page.locator('#door')
  await door.getByLabel('이메일 주소').fill(data.email)
  await door.getByLabel('비밀번호').fill(PASSWORD)
  await door.getByRole('button', { name: '로그인' }).click()
  const events = page.locator('#trail li')
  await events.first().filter({ hasText: '로그인했습니다' }).waitFor()
  t.equal(await events.count(), 10)
  await page.locator('#older').focus()
  await page.keyboard.press('Enter')
  await hasFocus(page, '#trail-title')
  t.match(await events.allTextContents(), { 10: /^계정을 만들었습니다.*Chrome, Linux · 127\.0\.0\.1$/, length: 11 })
  await page.locator('#devices button').nth(1).focus()
  await page.keyboard.press('Enter')
  await events.first().filter({ hasText: '다른 곳에서 로그인을 종료했습니다' }).waitFor()
  t.match(await events.first().textContent(), /의 로그인$/)
  t.strictSame(await faultsFor(page), [])
  t.strictSame(second.faults, [])
})

t.test('on a phone nothing is cut off and nothing scrolls sideways', async (t) => {
  const person = await openPage(browser, demo, { viewport: { width: 320, height: 640 } })
  t.teardown(() => person.context.close())
  const { page } = person
  const excess = () => page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
  t.equal(await excess(), 0)
  await register(person)
  for (const language of ['en', 'ko']) {
    await page.locator('#language').selectOption(language)
    t.equal(await excess(), 0, language)
  }
})

t.test('a new tab is handed the access token by the others: it asks the service for none', async (t) => {
  const person = await openPage(browser, demo)
  t.teardown(() => person.context.close())
  await register(person)
  const asked: string[] = []
  person.context.on('request', (request) => asked.push(new URL(request.url()).pathname))
  const other = await person.newTab()
  await other.getByRole('heading', { name: 'Welcome' }).waitFor()
  t.ok(asked.includes('/v1/me'))
  t.notOk(asked.includes('/v1/refresh'))
})

t.test(
  'after revoke-everything the next call ends in the login form, though the token had minutes to go',
  async (t) => {
    const person = await openPage(browser, demo)
    t.teardown(() => person.context.close())
    const { page } = person
    await register(person)
    await demo.revokeEverything()
    // An instance that reads the new keys says 503 meanwhile.
    const refusal = (path: string) =>
      page.waitForResponse((answer) => answer.url().endsWith(path) && answer.status() === 401)
    const [refused] = await Promise.all([
      refusal('/v1/session/data'),
      refusal('/v1/refresh'),
      page.getByRole('button', { name: 'Add Honey' }).click(),
    ])
    t.match(await refused.json(), { code: 'token_invalid' })
    await page.getByRole('heading', { name: 'Log in' }).waitFor()
  },
)
