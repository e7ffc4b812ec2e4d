import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import type { Browser } from './chromium.ts'
import type { Demo } from './demo.ts'

export const PASSWORD = 'seven red bicycles in the rain'

/** Somebody at the demo's page, with a browser of their own. */
export type Person = {
  readonly context: BrowserContext
  readonly page: Page
  /** What the page has thrown, or complained of on the console; a refused request is no fault of the page. */
  readonly faults: readonly string[]
  /** Opens the page in another tab. */
  readonly newTab: () => Promise<Page>
}

/** Opens the page, and waits until it shows something. */
export async function openPage(browser: Browser, demo: Demo, options: BrowserContextOptions = {}): Promise<Person> {
  const context = await browser.newPerson(options)
  const faults: string[] = []
  context.on('weberror', (fault) => faults.push(fault.error().message))
  context.on('console', (message) => {
    const isFault = message.type() === 'error' && !message.text().startsWith('Failed to load resource')
    if (isFault) faults.push(message.text())
  })
  const newTab = async () => {
    const page = await context.newPage()
    await page.goto(demo.url)
    await page.locator('main:visible').waitFor()
    return page
  }
  return { context, page: await newTab(), faults, newTab }
}

/** Nobody is remembered, and has an address of their own, unless told. */
type Registration = { readonly email?: string; readonly remember?: boolean }

let people = 0

/** Registers somebody new by the form of an English page; resolves to the address. */
export async function register({ page }: Person, options: Registration = {}): Promise<string> {
  const { email = `person-${process.pid}-${(people += 1)}@example.org`, remember = false } = options
  await page.getByRole('button', { name: 'Register' }).click()
  await enter(page, 'Register', email, remember)
  return email
}

/** Logs in by the form of an English page. */
export async function logIn({ page }: Person, email: string): Promise<void> {
  await enter(page, 'Log in', email, false)
}

async function enter(page: Page, verb: string, email: string, remember: boolean): Promise<void> {
  const door = page.locator('#door')
  await door.getByLabel('E-mail address').fill(email)
  await door.getByLabel('Password').fill(PASSWORD)
  if (remember) await door.getByLabel('Remember me').check()
  await door.getByRole('button', { name: verb }).click()
  await page.locator('#inside').waitFor()
}
