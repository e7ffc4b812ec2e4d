import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { serve } from '@hono/node-server'
import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import t, { type Test } from 'tap'
import type { Requirements, Verifier } from '@latchkey/verify'
import * as forExpress from '@latchkey/verify/express'
import * as forFastify from '@latchkey/verify/fastify'
import * as forFetch from '@latchkey/verify/fetch'
import * as forHono from '@latchkey/verify/hono'
import * as forNode from '@latchkey/verify/node'
import { openHome } from '../support/home.ts'
import { sendRaw, statusesOf } from '../support/raw.ts'
import { startProxy } from '../support/proxy.ts'
import { eventually } from '../support/settle.ts'
import { verifierAt } from './issuer.ts'

// The same story on every framework: a server of one path, which says who is let in.

/** Its tokens outlive the tests before these: the verifier goes by the time of the machine. */
const home = await openHome({ ACCESS_TTL: '1h', SESSION_IDLE: '2h' })
const url = await home.app.listen({ host: '127.0.0.1', port: 0 })
t.teardown(home.close)
const NAMES = { issuer: 'http://localhost:3000', audience: 'http://localhost:3000', freshness: 'signature' as const }

type Start = (t: Test, verifier: Verifier, requirements: Requirements) => Promise<number>

/** Listens on a port of its own, until the test is over. */
async function listening(t: Test, server: Server): Promise<number> {
  if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as { port: number }).port
}

const frameworks: Record<string, Start> = {
  async Express(t, verifier, requirements) {
    const app = express()
    app.use(forExpress.requireToken(verifier, requirements))
    app.get('/', ({ access }, response) => void response.send(access.sub))
    return listening(t, createServer(app))
  },
  async Fastify(t, verifier, requirements) {
    const app = Fastify()
    app.addHook('onRequest', forFastify.requireToken(verifier, requirements))
    app.get('/', ({ access }) => access.sub)
    t.teardown(() => app.close())
    return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
  },
  async Hono(t, verifier, requirements) {
    const app = new Hono()
    app.get('/', forHono.requireToken(verifier, requirements), (c) => c.text(c.get('access').sub))
    return listening(t, serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }) as Server)
  },
  async 'node:http'(t, verifier, requirements) {
    const guard = forNode.requireToken(verifier, requirements)
    return listening(t, createServer(guard((_request, response, { sub }) => void response.end(sub))))
  },
  async fetch(t, verifier, requirements) {
    const guard = forFetch.requireToken(verifier, requirements)
    const fetch = guard((_request, { sub }) => new Response(sub))
    return listening(t, serve({ fetch, hostname: '127.0.0.1', port: 0 }) as Server)
  },
}

const me = await home.newcomer()
const BEARER = { authorization: `Bearer ${me.access_token}` }
const REFUSED = { 'content-type': /^application\/problem\+json\b/, 'cache-control': 'no-store' }

async function get(port: number, headers: Record<string, string> = BEARER) {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers })
  const text = await response.text()
  const isProblem = REFUSED['content-type'].test(response.headers.get('content-type') ?? '')
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: isProblem ? JSON.parse(text) : text,
  }
}

for (const [framework, start] of Object.entries(frameworks)) {
  t.test(`${framework}: who has a token gets in, who has none is told why`, async (t) => {
    const port = await start(t, verifierAt(t, url, NAMES), {})
    t.match(await get(port), { status: 200, body: me.user.id })
    t.match(await get(port, {}), {
      status: 401,
      headers: { ...REFUSED, 'www-authenticate': 'Bearer realm="latchkey"' },
      body: { type: 'urn:problem-type:latchkey:no_token', title: 'A token is needed.', status: 401, code: 'no_token' },
    })
    t.match(await get(port, { authorization: 'Bearer junk' }), {
      status: 401,
      headers: { ...REFUSED, 'www-authenticate': 'Bearer realm="latchkey", error="invalid_token"' },
      body: { code: 'token_invalid' },
    })
    t.match(await get(port, { cookie: `access_token=${me.access_token}` }), { status: 401, body: { code: 'no_token' } })
  })

  t.test(`${framework}: of two Authorization headers neither counts`, async (t) => {
    const port = await start(t, verifierAt(t, url, NAMES), {})
    const say = (lines: string[]) => `GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines.join('\r\n')}\r\n\r\n`
    const [line, junk] = [`Authorization: Bearer ${me.access_token}`, 'authorization: Bearer junk']
    t.strictSame(statusesOf(await sendRaw(port, [say([line])])), [200])
    for (const lines of [
      [line, junk],
      [junk, line],
      [line, line],
      ['Authorization: Basic YTpi', line],
    ]) {
      t.strictSame(statusesOf(await sendRaw(port, [say(lines)])), [401], lines.map((each) => each.slice(0, 20)).join())
    }
  })

  t.test(`${framework}: more can be demanded, and an outage is 503`, async (t) => {
    const proxy = await startProxy(Number(new URL(url).port))
    t.teardown(proxy.stop)
    const verifier = verifierAt(t, `http://127.0.0.1:${proxy.port}`, NAMES)
    const [editors, assured, all] = [
      await start(t, verifier, { roles: ['editor'] }),
      await start(t, verifier, { acr: 'aal2', maxAge: 7200 }),
      await start(t, verifier, { freshness: 'strict' }),
    ]
    t.match(await get(editors), { status: 403, body: { code: 'insufficient' } })
    t.match(await get(assured), {
      status: 401,
      headers: { 'www-authenticate': /error="insufficient_user_authentication", acr_values="aal2"$/ },
      body: { code: 'step_up_required' },
    })
    await eventually(async () => (await get(all)).status === 200, { within: 20_000 })
    await proxy.cut()
    const unknown = await get(all)
    t.match(unknown, { status: 503, headers: { ...REFUSED, 'retry-after': '1' }, body: { code: 'store_unavailable' } })
    t.notOk('www-authenticate' in unknown.headers)
    t.match(await get(editors), { status: 403 }, 'a signature needs nobody')
  })
}

t.test('what is no refusal is an error of the framework, and lets nobody in', async (t) => {
  const broken: Verifier = {
    ...verifierAt(t, url, NAMES),
    verify: () => Promise.reject(new TypeError('a fault of ours')),
  }
  for (const framework of ['Express', 'Fastify', 'Hono']) {
    const port = await (frameworks[framework] as Start)(t, broken, {})
    t.equal((await get(port)).status, 500, framework)
  }
})

t.test('a requirement that is mistyped is told at the start, and guards nothing by mistake', async (t) => {
  const verifier = verifierAt(t, url, NAMES)
  for (const { requireToken } of [forExpress, forFastify, forFetch, forHono, forNode])
    for (const wrong of [{ role: 'editor' }, { scopes: 'a' }, { freshness: 'strickt' }])
      t.throws(() => requireToken(verifier, wrong as object), TypeError, JSON.stringify(wrong))
})
