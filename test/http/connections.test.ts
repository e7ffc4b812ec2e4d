import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { promisify } from 'node:util'
import pino from 'pino'
import t, { type Test } from 'tap'
import { buildApp } from '../../src/http/app.ts'
import type { Patience } from '../../src/http/plugins/connections.ts'
import { DEAR } from '../support/env.ts'
import { openHome } from '../support/home.ts'
import { eventually } from '../support/settle.ts'

const home = await openHome(DEAR) // an answer takes a while to compute
t.teardown(home.close)

interface Served {
  readonly port: number
  readonly connections: () => Promise<number>
  /** How many there have been so far. */
  readonly everConnected: () => number
}

/** The app on a port of its own, with this much patience. */
async function serve(t: Test, patience: Patience): Promise<Served> {
  const app = await buildApp(home.deps, {
    logger: pino({ level: 'silent' }),
    isDraining: () => false,
    checkReadiness: async () => ({ reasons: [], warnings: [] }),
    checkOwnReadiness: async () => ({ reasons: [], warnings: [] }),
    lastReadiness: () => null,
    patience,
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  let ever = 0
  app.server.on('connection', () => (ever += 1))
  const { port } = app.server.address() as AddressInfo
  const connections = promisify<number>((done) => app.server.getConnections(done))
  return { port, connections, everConnected: () => ever }
}

/** Node looks for late requests once a second; who is hung up on has one more to hang up, too. */
const SOON_MS = 2500

/** What a client does with what it hears: read it all, nothing, or a little now and then. */
type Ear = 'open' | 'shut' | 'slow'

interface Rude {
  readonly says: string
  readonly drips?: string
  readonly ear?: Ear
  readonly halfCloses?: boolean
}

const HOST = 'Host: x\r\n'
const EARLY = `POST /nowhere HTTP/1.1\r\n${HOST}`
const BIG = `GET /docs/swagger-ui-bundle.js HTTP/1.1\r\n${HOST}\r\n`
const LIVE = `GET /livez HTTP/1.1\r\n${HOST}\r\n`
const POST = `POST /v1/login HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n`
const credentials = JSON.stringify({ email: 'nobody@example.org', password: 'seven red bicycles in the rain' })
const LOGIN = `${POST}Content-Length: ${credentials.length}\r\n\r\n${credentials}`

/** What the service says 408, 400 or 431 to. */
const refused: Record<string, Rude> = {
  'says nothing': { says: '' },
  'stops in the request line': { says: 'GET /v1/' },
  'sends its headers one by one': { says: `GET /livez HTTP/1.1\r\n${HOST}`, drips: 'X-A: b\r\n' },
  'sends nothing but blank lines': { says: '\r\n', drips: '\r\n' },
  'falls silent in the body': { says: `${POST}Content-Length: 2000\r\n\r\n{` },
  'sends its body byte by byte': { says: `${POST}Content-Length: 2000\r\n\r\n{`, drips: ' ' },
  'never ends its chunks': { says: `${POST}Transfer-Encoding: chunked\r\n\r\n`, drips: '1\r\n \r\n' },
  'waits for 100 Continue and says no more': { says: `${POST}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n` },
  'has been answered before its body has come': { says: `${EARLY}Content-Length: 2000\r\n\r\n` },
  'has been answered, and goes on with its body': { says: `${EARLY}Content-Length: 2000\r\n\r\n`, drips: ' ' },
  'sends a bad chunk': { says: `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n` },
  'sends a bad chunk when it has been answered': { says: `${EARLY}Transfer-Encoding: chunked\r\n\r\nzz\r\n` },
  'sends headers that are too large': { says: `GET /livez HTTP/1.1\r\n${HOST}X: ${'x'.repeat(20_000)}\r\n\r\n` },
  'speaks no HTTP': { says: 'GARBAGE\r\n\r\n' },
  'speaks no HTTP, for ever': { says: 'GARBAGE\r\n\r\n', drips: 'GARBAGE\r\n\r\n' },
  'speaks no HTTP, and does not listen': { says: 'GARBAGE\r\n\r\n', ear: 'shut' },
  'speaks no HTTP while its first answer is being computed': { says: `${LOGIN}GARBAGE\r\n\r\n` },
  'falls silent in a second request while the first is computed': { says: `${LOGIN}GET /v1/` },
}

/** What it answers, or would if it could. */
const answered: Record<string, Rude> = {
  'sends blank lines after an answer': { says: LIVE, drips: '\r\n' },
  'sends one blank line after an answer': { says: `${LIVE}\r\n` },
  'sends too much': { says: `${POST}Content-Length: 99999\r\n\r\n${'x'.repeat(40_000)}` },
  'asks for the connection to be closed': { says: `GET /livez HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n` },
  'asks in HTTP/1.0': { says: 'GET /livez HTTP/1.0\r\n\r\n' },
  'asks for a tunnel': { says: `CONNECT x:443 HTTP/1.1\r\n${HOST}\r\n` },
  'asks for another protocol': { says: `GET /livez HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n` },
  'does not read a long answer': { says: BIG, ear: 'shut' },
  'does not read a long answer, and says it is done': { says: BIG, ear: 'shut', halfCloses: true },
  'does not read a long answer, and speaks no HTTP': { says: `${BIG}GARBAGE\r\n\r\n`, ear: 'shut' },
  'reads a long answer slowly': { says: BIG, ear: 'slow' },
  'asks a thousand times and reads nothing': { says: LIVE.repeat(1000), ear: 'shut' },
  'asks for a hundred long answers and reads nothing': { says: BIG.repeat(100), ear: 'shut' },
  'asks for a hundred long answers and reads slowly': { says: BIG.repeat(100), ear: 'slow', drips: '\r\n' },
  'goes on asking for long answers and reads nothing': { says: BIG, drips: BIG, ear: 'shut' },
  'says it is done before it has been answered': { says: LOGIN, halfCloses: true },
}

const sockets: Socket[] = []
t.teardown(() => sockets.forEach((socket) => socket.destroy()))

/** A client that never hangs up, and does not close when it is hung up on. */
function beRude(port: number, { says, drips = '', ear = 'open', halfCloses = false }: Rude): void {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  sockets.push(socket)
  socket.on('error', () => {}) // a reset is what it is to expect
  socket.write(says)
  if (halfCloses) socket.end()
  if (ear === 'open') socket.resume()
  else socket.pause()
  const timer = setInterval(() => {
    if (drips !== '' && socket.writable) socket.write(drips)
    if (ear === 'slow') socket.read(1000)
  }, 100)
  socket.once('close', () => clearInterval(timer))
}

/** One connection that asks now and then, as a balancer's does, until `stop`; resolves to how many answers it has had. */
function askOften(t: Test, port: number, everyMs: number): { readonly stop: () => Promise<number> } {
  const socket = connect(port, '127.0.0.1')
  let answers = 0
  socket.on('data', (chunk) => (answers += String(chunk).split('HTTP/1.1 200 ').length - 1))
  const ask = () => void socket.write(LIVE)
  ask()
  const timer = setInterval(ask, everyMs)
  t.teardown(() => {
    clearInterval(timer)
    socket.destroy()
  })
  return {
    async stop() {
      clearInterval(timer)
      socket.end()
      await once(socket, 'close')
      return answers
    },
  }
}

/** How many files of the page this process holds open. */
function openAssets(): number {
  const names = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return '' // it was the folder's own
    }
  })
  return names.filter((name) => name.includes('swagger')).length
}

t.test('who is refused by the parser is freed a second later, whether it hangs up or not', async (t) => {
  const { port, connections, everConnected } = await serve(t, { requestMs: 500, idleMs: 60_000 })
  const clients = Object.values(refused)
  for (const how of clients) beRude(port, how)
  await eventually(() => everConnected() === clients.length, { within: 5000 })
  t.ok(await eventually(async () => (await connections()) === 0, { within: 500 + SOON_MS }))
})

t.test('whatever a client does or leaves, its connection is freed; who goes on asking keeps it', async (t) => {
  const { port, connections, everConnected } = await serve(t, { requestMs: 500, idleMs: 2500 }) // eight times as long as the honest one is silent
  const balancer = askOften(t, port, 300)
  const clients = Object.values({ ...refused, ...answered })
  for (const how of clients) beRude(port, how)
  await eventually(() => everConnected() === clients.length + 1, { within: 5000 })
  await eventually(async () => (await connections()) === 1, { within: 3000 + SOON_MS })
  t.ok((await balancer.stop()) > 5, 'that of the honest client, which has been answered all the time')
  await eventually(async () => (await connections()) === 0, { within: 1000 })
  t.equal(openAssets(), 0, 'and who asked for files and took none holds none open')
})

/** What comes back for these bytes until the service hangs up. */
async function converse(port: number, says: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.write(says)
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}

const statusesOf = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d{3}) [A-Z]/g)].map(([, status]) => Number(status))

t.test('a refusal of the parser comes after the answers before it, and never into the middle of one', async (t) => {
  const { port } = await serve(t, { requestMs: 500, idleMs: 60_000 })
  const garbage = 'GARBAGE\r\n\r\n'
  const badChunk = `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`
  const cases: Record<string, readonly [string, number[]]> = {
    'while the first answer is being computed': [LOGIN + garbage, [401, 400]],
    'while several are': [LOGIN + LIVE + LOGIN + garbage, [401, 200, 401, 400]],
    'while a long one is being sent': [BIG + BIG + garbage, [200, 200, 400]],
    'in the body of a second request': [LOGIN + badChunk, [401, 400]],
    'in the body of a third, which never ends': [`${LOGIN}${LIVE}${POST}Content-Length: 9\r\n\r\n{`, [401, 200, 408]],
    'in a second request, which never ends': [`${LOGIN}GET /v1/`, [401, 408]],
    'behind a request that ends the connection': [
      `GET /livez HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n${garbage}`,
      [200],
    ],
  }
  const heard = await Promise.all(Object.values(cases).map(([says]) => converse(port, says)))
  for (const [i, [name, [, statuses]]] of Object.entries(cases).entries()) {
    t.strictSame(statusesOf(heard[i] ?? ''), statuses, name)
  }
  const [, , long = ''] = heard
  const { payload } = await home.app.inject('/docs/swagger-ui-bundle.js')
  const bodies = long.split('\r\n\r\n').filter((part) => part.length > 1_000_000)
  t.equal(bodies.length, 2)
  t.ok(
    bodies.every((body) => body.startsWith(Buffer.from(payload).toString('latin1'))),
    'whole, and nothing else',
  )
})

t.test('what comes behind bytes that were no HTTP is not looked at, however much there is of it', async (t) => {
  const { port } = await serve(t, { requestMs: 500, idleMs: 60_000 })
  const warnings: Error[] = []
  const hear = (warning: Error) => warnings.push(warning)
  process.on('warning', hear)
  t.teardown(() => process.off('warning', hear))
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => {})
  let text = ''
  socket.on('data', (chunk) => (text += String(chunk)))
  socket.write(LOGIN)
  const timer = setInterval(() => socket.write('GARBAGE\r\n\r\n'), 1)
  await once(socket, 'end')
  clearInterval(timer)
  t.strictSame(statusesOf(text), [401, 400])
  t.strictSame(warnings, [], 'and nothing piles up while an answer is being computed')
})
