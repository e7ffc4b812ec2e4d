import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { type Child, startChild } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'

// What the image asks to know whether its service is alive: the Dockerfile's own command, in the folder of the image.

const [, command = '[]'] =
  /^HEALTHCHECK [^[]*CMD (\[.*\])$/m.exec((await readFile('Dockerfile', 'utf8')).replaceAll('\\\n', '')) ?? []
const [node, ...args] = JSON.parse(command) as string[]
const { PATH, HOME } = process.env
const MAIN = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))

type Env = Record<string, string>

/** The exit code of the health check in this environment. */
async function check(env: Env): Promise<number> {
  const { code = 0 } = await promisify(execFile)(node ?? '', args, { env: { PATH, HOME, ...env } }).catch(
    (error) => error,
  )
  return code
}

async function serve(t: Test, env: Env): Promise<Child> {
  const DATA_DIR = await mkdtemp(join(tmpdir(), 'latchkey-health-'))
  const child = startChild([process.execPath, MAIN], { PATH, HOME, DATA_DIR, ...env })
  t.teardown(async () => {
    await child.end('SIGKILL')
    await rm(DATA_DIR, { recursive: true })
  })
  await child.printed('listening')
  return child
}

/** A neighbour on the same port who answers everything with this status. */
async function neighbour(t: Test, host: string, port: number, status: number): Promise<void> {
  const server = createServer((_request, response) => response.writeHead(status).end()).listen(port, host)
  t.teardown(() => server.close())
  await once(server, 'listening')
}

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))

t.test('the image asks where the service listens, and nowhere else', async (t) => {
  t.equal(node, 'node')
  for (const HOST of ['127.0.0.2', '0.0.0.0', ' localhost\n', ...(hasIpv6 ? ['::', '::1'] : [])]) {
    const env = { HOST, PORT: `${await freePort()}` }
    if (HOST === '127.0.0.2') await neighbour(t, '127.0.0.1', Number(env.PORT), 200)
    const child = await serve(t, env)
    t.equal(await check(env), 0, HOST)
    await child.end('SIGKILL')
    if (HOST === '127.0.0.2') t.equal(await check(env), 1, 'it is gone, and its neighbour counts for nothing')
  }
})

t.test('a service that does not answer, answers otherwise or has settings that are refused is not alive', async (t) => {
  const env = { HOST: '127.0.0.1', PORT: `${await freePort()}` }
  const child = await serve(t, env)
  child.freeze()
  t.equal(await check(env), 1, 'frozen')
  child.thaw()
  t.equal(await check(env), 0)
  t.equal(await check({ ...env, PORT: '080' }), 1)
  const port = await freePort()
  await neighbour(t, '127.0.0.1', port, 503)
  t.equal(await check({ ...env, PORT: `${port}` }), 1, 'another one')
})
