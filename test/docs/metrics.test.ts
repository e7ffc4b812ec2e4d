import { readFileSync } from 'node:fs'
import t from 'tap'
import { ADMIN } from '../support/env.ts'
import { openAdminApp } from '../support/admin.ts'
import { callApp } from '../support/home.ts'
import { openMailHome } from '../support/mail-home.ts'
import { readSamples, readTypes } from '../support/metrics.ts'
import { readPage, rowsOf } from './pages.ts'

// docs/operating.md and /metrics have the same metrics, with the same labels.

const rows = rowsOf(readPage('docs/operating.md'))
  .map(([name = '', labels = '']) => ({ name: /^`(latchkey_\w+)`$/.exec(name)?.[1] ?? '', labels }))
  .filter(({ name }) => name !== '')

const home = await openMailHome(t, ADMIN)
const adminApp = await openAdminApp(home)
t.teardown(() => adminApp.close())
await home.newcomer()
const { body: page } = await callApp<string>(adminApp, 'GET', '/metrics')

t.test('the page tells every metric of the service, and no other', (t) => {
  const names = [...readTypes(page).keys()].filter((name) => name.startsWith('latchkey_'))
  t.ok(names.length > 15)
  t.strictSame(rows.map(({ name }) => name).toSorted(), names.toSorted())
  t.end()
})

for (const { name, labels } of rows) {
  t.test(`the labels that the page tells of ${name} are those it has`, (t) => {
    const told = [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label)
    const samples = [...readSamples(page).keys()].filter(
      (sample) => sample.replace(/(?:_count)?(?:\{.*)?$/, '') === name,
    )
    t.ok(samples.length > 0)
    for (const sample of samples)
      t.strictSame(
        [...sample.matchAll(/[{,](\w+)=/g)].map(([, label]) => label),
        told,
      )
    t.end()
  })
}

t.test('each metric has a name as Prometheus wants it, and a help in words', (t) => {
  for (const [name, type] of readTypes(page))
    if (name.startsWith('latchkey_')) t.equal(name.endsWith('_total'), type === 'counter', name)
  for (const { name } of rows) t.match(page, new RegExp(`^# HELP ${name} [A-Z1].{20,}\\.$`, 'm'), name)
  t.end()
})

t.test('the page says of every alert what it means and what to do first', (t) => {
  const alerts = [...readFileSync('deploy/prometheus/alerts.yml', 'utf8').matchAll(/- alert: (\w+)/g)].map(
    ([, name]) => name,
  )
  const told = rowsOf(readPage('docs/operating.md')).flatMap(([name = '']) => /^`(Latchkey\w+)`$/.exec(name)?.[1] ?? [])
  t.ok(alerts.length > 6)
  t.strictSame(told, alerts)
  t.end()
})
