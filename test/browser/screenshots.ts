import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { openBrowser } from '../support/chromium.ts'
import { startDemo } from '../support/demo.ts'
import { openPage, register } from '../support/person.ts'

// Takes the README's pictures: `npm run screenshots`, on a machine with a Korean font (Debian's fonts-nanum).

const FOLDER = fileURLToPath(new URL('../../../examples/screenshots/', import.meta.url))
const VIEW = { width: 1080, height: 760 }

const [demo, browser] = await Promise.all([startDemo(), openBrowser()])
await mkdir(FOLDER, { recursive: true })
try {
  const person = await openPage(browser, demo, { viewport: VIEW, locale: 'en-GB', colorScheme: 'light' })
  const { page } = person
  const take = (name: string) => page.screenshot({ path: `${FOLDER}${name}.png` })
  const press = (name: string) => page.getByRole('button', { name }).click()
  await take('login')
  const email = 'ada@example.org'
  await register(person, { email })
  for (const product of ['Honey', 'Honey', 'Pears']) await press(`Add ${product}`)
  await page.getByText('3 in your cart').waitFor()
  await take('english-light')
  await press('Kill instance 2')
  await page.getByRole('button', { name: 'Restart instance 2' }).waitFor()
  await press('Add Green tea')
  await page.getByText('4 in your cart').waitFor()
  await page.getByLabel('Theme').selectOption('dark')
  await page.getByLabel('Language').selectOption('ko')
  await page.getByText('담은 상품 4개').waitFor()
  await page.evaluate('document.activeElement.blur()')
  await take('korean-dark')

  const { page: other } = await openPage(browser, demo, { viewport: VIEW, locale: 'en-GB', colorScheme: 'light' })
  await other.getByRole('button', { name: 'Forgot your password?' }).click()
  await other.locator('#forgot').getByLabel('E-mail address').fill(email)
  await other.getByRole('button', { name: 'Send the mail' }).click()
  await other.getByRole('heading', { name: 'Mail that arrived' }).waitFor()
  await other.screenshot({ path: `${FOLDER}forgotten.png` })
} finally {
  await browser.close()
  await demo.stop()
}
