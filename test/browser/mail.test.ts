import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { SentMail } from '../../examples/demo/mails.ts'
import { openBrowser } from '../support/chromium.ts'
import { startDemo } from '../support/demo.ts'
import { NO_LIMITS } from '../support/env.ts'
import { complains, faultsFor, hasFocus, loginForm, says } from '../support/page.ts'
import { logIn, openPage, PASSWORD, type Person, register } from '../support/person.ts'
import { eventually } from '../support/settle.ts'

// What a person does with the mails of the service, in a real Chromium on the demo, which shows the mails.

const NEW_PASSWORD = 'eight blue bicycles in the snow'
const STEP_UP_MS = 5000
const WITHIN = { within: 15_000 }

const [demo, browser] = await Promise.all([
  startDemo({ ...NO_LIMITS, ACCESS_TTL: '5m', STEP_UP_AGE: `${STEP_UP_MS}ms`, LIMIT_MAIL: '3/1h' }),
  openBrowser(),
])
t.teardown(async () => {
  await browser.close()
  await demo.stop()
})

async function visitor(t: Test, options = {}): Promise<Person> {
  const person = await openPage(browser, demo, options)
  t.teardown(() => person.context.close())
  return person
}

async function newcomer(t: Test): Promise<Person & { readonly email: string }> {
  const person = await visitor(t)
  return { ...person, email: await register(person) }
}

async function device(t: Test, email: string): Promise<Person> {
  const person = await visitor(t)
  await logIn(person, email)
  return person
}

async function mailsTo(address: string): Promise<SentMail[]> {
  const answer = await fetch(`${demo.url}/demo/mails`)
  const { mails } = (await answer.json()) as { mails: SentMail[] }
  return mails.filter(({ to }) => to === address)
}

/** The mail to this address that holds a secret. */
async function secretMailTo(address: string): Promise<SentMail & { readonly code: string; readonly link: string }> {
  return eventually(async () => {
    for (const mail of await mailsTo(address)) {
      const [code, link] = [/: (\d{8})$/m.exec(mail.text)?.[1], /http\S+#token=\S+/.exec(mail.text)?.[0]]
      if (code !== undefined && link !== undefined) return { ...mail, code, link }
    }
    return null
  }, WITHIN)
}

const wrong = (code: string) => code.replaceAll(/\d/g, (digit) => `${9 - Number(digit)}`)
const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click()
const hasNoFault = async (page: Page, form: string) => (await page.locator(form).locator('.fault').textContent()) === ''

async function enter(page: Page, form: string, fields: Record<string, string>): Promise<void> {
  const place = page.locator(form)
  for (const [label, value] of Object.entries(fields)) await place.getByLabel(label).fill(value)
  await place.getByRole('button').first().click()
}

async function askForReset(page: Page, email: string): Promise<void> {
  await page.locator('#forgot').getByLabel('E-mail address').fill(email)
  const asked = page.waitForResponse('**/v1/password/forgot')
  await press(page, 'Send the mail')
  await asked
  await page.getByText('If there is an account with this address').waitFor()
  await hasFocus(page, '#reset [name=code]')
}

t.test('who forgot the password is back in by the code of the mail, and every other device is out', async (t) => {
  const { page, faults, email } = await newcomer(t)
  const [elsewhere, asleep] = [await device(t, email), await device(t, email)]
  await press(page, 'Log out')
  await hasFocus(page, '#door [name=password]')
  await says(page, 'You are logged out.')
  await enter(page, '#door', { Password: NEW_PASSWORD })
  await complains(page, '#door', 'The e-mail address or the password is wrong.')
  await press(page, 'Forgot your password?')
  t.equal(await page.locator('#forgot').getByLabel('E-mail address').inputValue(), email, 'kept since the logout')
  t.equal(await page.locator('#status').textContent(), '', 'what was said before the form is not said over it')
  await askForReset(page, `nobody-${email}`)
  await askForReset(page, email)
  const letter = page.locator('#mails li').filter({ hasText: email }).locator('.letter')
  const code = /: (\d{8})$/m.exec((await letter.textContent()) ?? '')?.[1] ?? ''
  t.strictSame(await mailsTo(`nobody-${email}`), [], 'an address without an account gets none, but the same words')
  t.strictSame(await faultsFor(page), [])

  const tries: string[] = []
  page.on('request', (request) => request.url().endsWith('/v1/password/reset') && tries.push(request.method()))
  await enter(page, '#reset', { Code: ` ${code.slice(0, 4)} ${code.slice(4)}`, 'New password': 'fourteen chars' })
  await complains(page, '#reset', 'At least 15 characters.')
  await hasFocus(page, '#reset [name=new_password]')
  await enter(page, '#reset', { Code: '', 'New password': NEW_PASSWORD })
  await complains(page, '#reset', 'Fill in every field.')
  await hasFocus(page, '#reset [name=code]')
  t.strictSame(tries, [], 'what cannot be right is not sent')
  await enter(page, '#reset', { Code: wrong(code) })
  await complains(page, '#reset', 'This code does not work')
  await hasFocus(page, '#reset [name=code]')
  await enter(page, '#reset', { Code: ` ${code.slice(0, 4)} ${code.slice(4)}`, 'New password': email })
  await complains(page, '#reset', 'Do not use your e-mail address')
  await enter(page, '#reset', { 'New password': NEW_PASSWORD })
  await loginForm(page)
  await says(page, 'Log in with the new one.')
  await hasFocus(page, '#door [name=password]')
  t.equal(await page.locator('#door').getByLabel('E-mail address').inputValue(), email)
  t.equal(await page.locator('#door').getByLabel('Password').inputValue(), '', 'the wrong password is gone')
  t.ok(await hasNoFault(page, '#door'), 'and so is what was said of it')

  await asleep.page.reload()
  await loginForm(asleep.page)
  await says(asleep.page, 'the password was reset by mail')
  await press(elsewhere.page, 'Add Honey')
  await loginForm(elsewhere.page)
  await says(elsewhere.page, 'the password was reset by mail')
  await enter(page, '#door', { Password: PASSWORD })
  await complains(page, '#door', 'The e-mail address or the password is wrong.')
  await enter(page, '#door', { Password: NEW_PASSWORD })
  await page.getByRole('heading', { name: 'Welcome' }).waitFor()
  t.ok(await page.locator('#verification').isHidden(), 'the mail has arrived: the address counts as verified')
  t.strictSame(faults, [])
})

t.test('the token of a link is in no address, no history and no request; another tab does not disturb', async (t) => {
  const { page, context, faults, email } = await newcomer(t)
  const stranger = await visitor(t)
  await press(stranger.page, 'Forgot your password?')
  await askForReset(stranger.page, email)
  const { link } = await secretMailTo(email)
  const token = link.split('=')[1] ?? ''
  const sent: string[] = []
  context.on('request', (request) => sent.push(request.url(), request.headers()['referer'] ?? ''))

  const tab = await context.newPage()
  await tab.goto(demo.url)
  await tab.locator('#mails').getByRole('link', { name: token }).click()
  await hasFocus(tab, '#reset [name=new_password]')
  t.ok(await tab.locator('#reset').getByLabel('Code').isHidden())
  t.equal(tab.url(), `${demo.url}/`)
  const visited = await tab.evaluate<string[]>('navigation.entries().map(({ url }) => url)')
  t.strictSame([...new Set(visited)].slice(-1), [`${demo.url}/`])
  t.notOk(visited.join(' ').includes(token))
  t.strictSame(await faultsFor(tab), [])
  t.ok(await tab.locator('#inside').isHidden(), 'the session of the other tab does not take its place')

  await enter(tab, '#reset', { 'New password': NEW_PASSWORD })
  await says(tab, 'Log in with the new one.')
  await press(page, 'Add Honey')
  await says(page, 'the password was reset by mail')
  await tab.goto(link)
  await enter(tab, '#reset', { 'New password': PASSWORD })
  await complains(tab, '#forgot', 'This link does not work')
  await hasFocus(tab, '#forgot [name=email]')
  await press(tab, 'Back to the login')
  await enter(tab, '#door', { 'E-mail address': email, Password: NEW_PASSWORD })
  await tab.getByRole('heading', { name: 'Welcome' }).waitFor()
  await page.getByRole('heading', { name: 'Welcome' }).waitFor()
  t.ok(sent.length > 20)
  t.notOk(sent.join(' ').includes(token), 'the token is in no URL and no Referer')
  t.notOk((await tab.goBack())?.url().includes(token))
  t.notOk(tab.url().includes(token))
  t.strictSame(faults, [])
})

t.test('an address is confirmed by code, in every tab; a link that is opened first waits for the login', async (t) => {
  const person = await newcomer(t)
  const { page, email } = person
  const other = await person.newTab()
  const banners = [page, other].map((each) => each.locator('#verification'))
  for (const banner of banners) await banner.waitFor()
  t.ok(await page.locator('#verify').isHidden(), 'no code is asked for before there is one')
  await enter(page, '#ask-verify', {})
  await hasFocus(page, '#verify [name=code]')
  await page.locator('#verification').getByText('A mail is on its way.').waitFor()
  const { code, link } = await secretMailTo(email)
  t.strictSame(await faultsFor(page), [])
  await enter(page, '#verify', { Code: wrong(code) })
  await complains(page, '#verify', 'This code does not work')
  await enter(page, '#ask-verify', {})
  await hasFocus(page, '#verify [name=code]')
  t.ok(await hasNoFault(page, '#verify'), 'another mail: what was said of the code is over')
  await enter(page, '#verify', { Code: '' })
  await complains(page, '#verify', 'Fill in every field.')
  await enter(page, '#verify', {
    Code: code.replaceAll(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
  })
  await says(page, 'Your e-mail address is confirmed.')
  await hasFocus(page, '#welcome')
  for (const banner of banners) await banner.waitFor({ state: 'hidden' })
  await page.reload()
  await page.getByRole('heading', { name: 'Welcome' }).waitFor()
  t.ok(await page.locator('#verification').isHidden())

  const late = await newcomer(t)
  await late.page.goto(link)
  await says(late.page, 'belongs to another account')
  await enter(late.page, '#ask-verify', {})
  const own = await secretMailTo(late.email)
  await press(late.page, 'Log out')
  await loginForm(late.page)
  await late.page.goto(own.link)
  await says(late.page, 'Log in to confirm your e-mail address.')
  await logIn(late, late.email)
  await says(late.page, 'Your e-mail address is confirmed.')
  t.ok(await late.page.locator('#verification').isHidden())
  t.equal(late.page.url(), `${demo.url}/`)
  t.strictSame([...person.faults, ...late.faults], [])
})

t.test('a change of address asks for the password of who logged in a while ago, and goes on', async (t) => {
  const began = performance.now()
  const { page, context, faults, email } = await newcomer(t)
  const elsewhere = await device(t, email)
  await eventually(() => performance.now() - began > 2 * STEP_UP_MS, WITHIN)
  const taken = `taken-${email}`
  await enter(page, '#change-email', { 'New e-mail address': taken })
  await hasFocus(page, '#proof [name=typed]')
  t.strictSame(await faultsFor(page), [])
  await enter(page, '#proof', { Password: NEW_PASSWORD })
  await complains(page, '#proof', 'The current password is wrong.')
  await enter(page, '#proof', { Password: PASSWORD })
  await hasFocus(page, '#confirm-email [name=code]')
  t.strictSame(await faultsFor(page), [])
  const first = await secretMailTo(taken)
  await register(await visitor(t), { email: taken }) // before the change is confirmed
  await enter(page, '#confirm-email', { Code: first.code })
  await complains(page, '#confirm-email', 'There is an account with this address already.')

  const next = `next-${email}`
  await enter(page, '#change-email', { 'New e-mail address': next })
  const asksAgain = page.locator('#proof')
  await eventually(async () => (await mailsTo(next)).length > 0 || (await asksAgain.isVisible()), WITHIN)
  if (await asksAgain.isVisible()) await enter(page, '#proof', { Password: PASSWORD })
  const { code, link } = await secretMailTo(next)
  t.ok(await hasNoFault(page, '#confirm-email'), 'what was said of the address before is over')
  t.ok((await mailsTo(email)).length > 0, 'the old address is told')
  await enter(page, '#confirm-email', { Code: code })
  await says(page, 'Your e-mail address is changed.')
  await hasFocus(page, '#address-title')
  await page.getByRole('heading', { name: `Welcome, ${next.split('@')[0]}` }).waitFor()
  t.equal(await page.locator('#address').textContent(), next)
  await press(elsewhere.page, 'Add Honey')
  await says(elsewhere.page, 'the e-mail address was changed on another device')
  const tab = await context.newPage()
  await tab.goto(link)
  await says(tab, 'Your e-mail address is changed.') // the answer of before, once more
  t.equal(tab.url(), `${demo.url}/`)
  t.strictSame(faults, [])
})

t.test('in Korean, by keyboard alone, a person is back in', async (t) => {
  const { page, faults } = await visitor(t, { locale: 'ko-KR' })
  const { keyboard } = page
  const email = `한글-${process.pid}@example.org`
  const type = async (...texts: readonly string[]) => {
    for (const [index, text] of texts.entries()) {
      if (index > 0) await keyboard.press('Tab')
      await keyboard.insertText(text)
    }
    await keyboard.press('Enter')
  }
  await hasFocus(page, '#door [name=email]')
  for (let count = 0; count < 5; count++) await keyboard.press('Tab')
  await keyboard.press('Enter')
  await hasFocus(page, '#door [name=email]')
  await type(email, PASSWORD)
  await hasFocus(page, '#welcome')
  t.strictSame(await faultsFor(page), [])
  await keyboard.press('Tab')
  await keyboard.press('Enter')
  await hasFocus(page, '#door [name=password]')
  for (let count = 0; count < 5; count++) await keyboard.press('Tab')
  await hasFocus(page, '#forgot-password')
  await keyboard.press('Enter')
  await hasFocus(page, '#forgot [name=email]')
  await keyboard.press('Enter')
  await hasFocus(page, '#reset [name=code]')
  const { subject, code } = await secretMailTo(email)
  t.match(subject, '비밀번호')
  await page.getByRole('heading', { name: '도착한 메일' }).waitFor()
  t.strictSame(await faultsFor(page), [])
  await type(wrong(code), NEW_PASSWORD)
  await complains(page, '#reset', '이 코드는 쓸 수 없습니다.')
  await hasFocus(page, '#reset [name=code]')
  await keyboard.press('ControlOrMeta+A')
  await type(code)
  await says(page, '새 비밀번호로 로그인해 주세요.')
  await hasFocus(page, '#door [name=password]')
  await type(NEW_PASSWORD)
  await page.getByRole('heading', { name: '한글' }).waitFor()
  t.strictSame(faults, [])
})

t.test('who asks too often hears for how long; while the service is away nothing is lost', async (t) => {
  const { page, email } = await newcomer(t)
  await press(page, 'Log out')
  await press(page, 'Forgot your password?')
  for (let count = 0; count < 3; count++) await askForReset(page, email)
  await press(page, 'Send the mail')
  await complains(page, '#forgot', 'Too many attempts.')
  await complains(page, '#forgot', ' minutes.')
  const { code } = await secretMailTo(email)
  await demo.kill('1', '2', '3')
  t.teardown(() => demo.start('1', '2', '3'))
  await enter(page, '#reset', { Code: code, 'New password': NEW_PASSWORD })
  await complains(page, '#reset', 'Nothing is lost')
  await demo.start('1', '2', '3')
  await press(page, 'Set the new password')
  await says(page, 'Log in with the new one.')
})
