import { readFile } from 'node:fs/promises'
import t from 'tap'
import { freePort } from '../support/free-port.ts'
import { promtool, startPrometheus } from '../support/prometheus.ts'
import { eventually } from '../support/settle.ts'
import { launch, launchRedis, PASSWORD, refresh, register, verify } from '../support/world.ts'

// The alerts and the dashboard of deploy/, on a real Prometheus that scrapes a real instance.

const RULES = await readFile('deploy/prometheus/alerts.yml', 'utf8')
const DASHBOARD = await readFile('deploy/grafana/latchkey.json', 'utf8')

/** Every query of the dashboard, as Grafana asks it, by its panel. */
const queries: readonly (readonly [title: string, query: string])[] = JSON.parse(DASHBOARD).panels.flatMap(
  ({ title, targets }: { title: string; targets: { expr: string }[] }) =>
    targets.map(({ expr }) => [title, expr.replaceAll('$__rate_interval', '1m')] as const),
)
/** The expressions of the alerts, by their names. */
const alerts = [...RULES.matchAll(/- alert: (\w+)\n\s+expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)/g)].map(
  ([, name = '', block, line]) => [name, block ?? line ?? ''] as const,
)
/** The metrics that a query names. */
const metricsIn = (query: string) => query.match(/\b(?:up|(?:latchkey|nodejs|process)_\w+)\b/g) ?? []

t.test('the rules are right, and each alert fires when it should, and on a quiet day none', async (t) => {
  t.match(await promtool('check', 'rules', 'deploy/prometheus/alerts.yml'), `${alerts.length} rules found`)
  t.match(await promtool('test', 'rules', 'deploy/prometheus/alerts.test.yml'), 'SUCCESS')
  const tried = await readFile('deploy/prometheus/alerts.test.yml', 'utf8')
  for (const [name] of alerts) t.match(tried, new RegExp(`alertname: ${name}\\n +exp_alerts`), `${name} is tried`)
  t.match(await promtool('check', 'config', 'deploy/prometheus/prometheus.yml'), 'SUCCESS')
})

t.test('a Prometheus finds what the dashboard and the alerts ask for, and one fires when Redis stops', async (t) => {
  const [redis, port] = await Promise.all([launchRedis(t), freePort()])
  const service = await launch(t, redis.url, { ADMIN_PORT: `${port}` })
  const me = await register(service)
  await verify(service, me)
  await refresh(service, me)
  await service.call('POST', '/v1/login', { body: { email: me.email, password: PASSWORD } })
  // A minute is long for a test.
  const prometheus = await startPrometheus(t, [port], RULES.replaceAll(/^(\s+for:) .*$/gm, '$1 1s'))

  await t.test('the metrics of the instance arrive', async (t) => {
    await eventually(async () => (await prometheus.query('up{job="latchkey"} == 1')).length === 1, { within: 10_000 })
    const count = async (query: string) => Number((await prometheus.query(query))[0]?.value[1])
    t.equal(await count('latchkey_ready'), 1)
    t.ok((await count('sum(latchkey_http_request_seconds_count)')) >= 3)
    t.equal(await count('latchkey_verifications_total{outcome="alive"}'), 1)
    t.equal(await count('latchkey_refreshes_total{kind="rotate"}'), 1)
    t.ok((await count('count({__name__=~"latchkey_.+"})')) < 700)
  })

  await t.test('every query is answered, and names only metrics that there are', async (t) => {
    const names = await prometheus.names()
    const noMail = new Set(['latchkey_mails_waiting', 'latchkey_mails_oldest_seconds']) // of an instance that sends none
    t.ok(queries.length > 20 && alerts.length > 6)
    for (const [title, query] of [...queries, ...alerts]) {
      const found = await prometheus.query(query).catch((error: Error) => error.message)
      t.ok(Array.isArray(found), `${title}: ${found as string}`)
      const unknown = metricsIn(query).filter((name) => !names.has(name) && !noMail.has(name))
      t.ok(metricsIn(query).length > 0, title)
      t.strictSame(unknown, [], title)
    }
  })

  await t.test('the row at the top has a figure each, where there is one', async (t) => {
    const figure = async (query: string) => Number((await prometheus.query(query))[0]?.value[1])
    const isThere = async (query: string) => {
      await verify(service, me)
      return Number.isFinite(await figure(query))
    }
    for (const [, query] of queries.slice(0, 5)) await eventually(() => isThere(query), { within: 10_000 })
    t.equal(await figure(queries[0]?.[1] ?? ''), 0, 'no instance is not ready')
  })

  await t.test('nothing fires while all is well; when Redis stops, an alert does', async (t) => {
    t.strictSame(await prometheus.alerts(), [])
    await redis.stop()
    const fires = async () => (await prometheus.alerts()).find(({ state }) => state === 'firing')
    await eventually(fires, { within: 15_000 })
    t.match(await fires(), { labels: { alertname: 'LatchkeyNotReady', severity: 'critical' } })
    t.match((await fires())?.annotations['summary'], /is not ready/)
    const isOld = async () => (await prometheus.query('latchkey_store_clock_age_seconds > 2')).length === 1
    await eventually(isOld, { within: 5000 })
  })
})
