import axe from 'axe-core'
import type { Page } from 'playwright-core'

// What tests of the example page look for, in English.

/** What axe finds wrong with what is shown, WCAG 2.2 AA: rule and place. */
export async function faultsFor(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate<axe.AxeResults>(
    'axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"] })',
  )
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`))
}

/** Resolves when the page says this to everybody. */
export const says = (page: Page, text: string) => page.getByRole('status').filter({ hasText: text }).waitFor()

/** Resolves when a form, or another place, says this is wrong. */
export const complains = (page: Page, place: string, text: string) =>
  page.locator(place).getByRole('alert').filter({ hasText: text }).waitFor()

export const hasFocus = (page: Page, selector: string) => page.locator(`${selector}:focus`).waitFor()

export const loginForm = (page: Page) => page.getByRole('heading', { name: 'Log in' }).waitFor()
