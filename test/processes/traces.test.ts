import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { ADMIN, ADMIN_KEY } from '../support/env.ts'
import { freePort } from '../support/free-port.ts'
import { callAt, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'

// What a collector of OpenTelemetry hears of a service that knows of it, and what a service that knows of none loads.

interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[]
}

/** A collector on this machine: what has been posted to it, and the spans in that. */
async function startCollector(t: Test, status = 200) {
  const posts: { path: string | undefined; body: string }[] = []
  const server = createServer((request, answer) => {
    answer.writeHead(status, { 'content-type': 'application/json' })
    const take = async () => {
      posts.push({ path: request.url, body: await text(request) })
      answer.end('{}')
    }
    void take()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close().closeAllConnections())
  const spans = () =>
    posts.flatMap(({ body }) =>
      JSON.parse(body).resourceSpans.flatMap((each: any) => each.scopeSpans.flatMap((scope: any) => scope.spans)),
    ) as Span[]
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, posts, spans }
}

/** Starts a service of its own folder, told also to write down every script that it loads. */
async function start(t: Test, env: Record<string, string>) {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-traces-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const scripts = join(dir, 'scripts')
  const service = await startService({ DATA_DIR: join(dir, 'data'), NODE_V8_COVERAGE: scripts, ...env })
  t.teardown(service.kill)
  const loaded = async () => {
    const files = await readdir(scripts)
    const texts = await Promise.all(files.map((file) => readFile(join(scripts, file), 'utf8')))
    return texts.flatMap((each) => JSON.parse(each).result.map(({ url }: { url: string }) => url) as string[])
  }
  return { service, loaded }
}

const [TRACE, SPAN] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']
const traced = (flags: string) => ({ traceparent: `00-${TRACE}-${SPAN}-${flags}` })

t.test(
  'a collector hears of each request what it was and how it ended, and nothing of who or what was in it',
  async (t) => {
    const collector = await startCollector(t)
    const adminPort = await freePort()
    const env = { ...ADMIN, ADMIN_PORT: `${adminPort}`, SERVICE_NAME: 'Lock & Key' }
    const { service, loaded } = await start(t, { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
    const [email, password] = ['traced-person@example.org', 'seven red bicycles in the rain']
    const query = `?email=${email}&access_token=in-the-query`
    const me = (await service.call('POST', `/v1/register${query}`, { body: { email, password } })).body
    const { access_token: token, refresh_token } = me
    await service.call('POST', '/v1/refresh', { body: { refresh_token }, headers: traced('01') })
    await service.call('GET', `/v1/verify${query}`, { token, headers: traced('00') })
    await service.call('GET', `/v1/nothing/${email}${query}`, { token })
    const admin = callAt(`http://127.0.0.1:${adminPort}`)
    await admin('GET', `/admin/v1/users/${me.user.id}`, { token: ADMIN_KEY, headers: { 'x-actor': email } })
    const [refreshed] = await eventually(() => [...service.events('session.refreshed')], { within: 5000 })
    await service.stop('SIGINT')

    t.ok(collector.posts.every(({ path }) => path === '/v1/traces'))
    t.match(JSON.parse(collector.posts[0]?.body ?? '').resourceSpans[0].resource.attributes, [
      { key: 'service.name', value: { stringValue: 'Lock & Key' } },
    ])
    const found = (name: string) => collector.spans().filter((span) => span.name === name)
    const attributesOf = (name: string) =>
      found(name).map(({ attributes }) =>
        Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]])),
      )
    t.strictSame(attributesOf('POST /v1/register'), [
      { 'http.request.method': 'POST', 'http.route': '/v1/register', 'http.response.status_code': 201 },
    ])
    t.notOk(found('POST /v1/register')[0]?.parentSpanId)
    const [refresh] = found('POST /v1/refresh')
    t.match(refresh, { traceId: TRACE, parentSpanId: SPAN, kind: 2 })
    t.match(refreshed, { trace_id: TRACE, span_id: refresh?.spanId }, 'the log names our span')
    t.strictSame(found('GET /v1/verify'), [], 'whoever began the trace does not want it')
    t.strictSame(attributesOf('GET'), [{ 'http.request.method': 'GET', 'http.response.status_code': 404 }])
    t.strictSame(attributesOf('GET /admin/v1/users/:id')[0]?.['http.route'], '/admin/v1/users/:id')
    const told = collector.posts.map(({ body }) => body).join()
    for (const secret of [
      email,
      'traced-person',
      password,
      token,
      refresh_token,
      ADMIN_KEY,
      'in-the-query',
      me.user.id,
      '127.0.0.1',
    ])
      t.notOk(told.includes(secret), secret)
    t.ok(
      (await loaded()).some((url) => url.includes('/@opentelemetry/')),
      'it is seen what is loaded',
    )
  },
)

t.test('without a collector nothing of OpenTelemetry is loaded', async (t) => {
  const { service, loaded } = await start(t, {})
  await service.call('GET', '/v1/me', { headers: traced('01') })
  await service.stop('SIGINT')
  const urls = await loaded()
  t.ok(urls.some((url) => url.includes('/dist/')))
  t.strictSame(
    urls.filter((url) => /opentelemetry|otlp/.test(url)),
    [],
  )
})

t.test('a collector that refuses or is away delays nobody, and the log says so once', async (t) => {
  const refusing = await startCollector(t, 400)
  const nowhere = `http://127.0.0.1:${await freePort()}`
  for (const url of [refusing.url, nowhere]) {
    const { service } = await start(t, { OTEL_EXPORTER_OTLP_ENDPOINT: url })
    for (let turn = 0; turn < 3; turn += 1) t.equal((await service.call('GET', '/v1/me')).status, 401)
    const began = performance.now()
    t.equal(await service.stop('SIGINT'), 0)
    t.ok(performance.now() - began < 9000)
    t.equal(service.lines().filter((line) => line.includes('spans were lost')).length, 1)
  }
})
