import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startChild } from './child.ts'
import { findProgram } from './debian.ts'
import { freePort } from './free-port.ts'
import { startNginx } from './nginx.ts'
import { eventually } from './settle.ts'

/** A gateway of deploy/gateways/: resolves to its URL once it answers. `latchkey` and `orders` are ports of 127.0.0.1. */
export type Gateway = (t: Test, ports: { readonly latchkey: number; readonly orders: number }) => Promise<string>

/** The file as it stands, with this machine's places in place of those it names. Throws if it does not name one. */
async function readMoved(name: string, places: Readonly<Record<string, string>>): Promise<string> {
  const file = await readFile(join('deploy/gateways', name), 'utf8')
  return Object.entries(places).reduce((text, [shown, real]) => {
    if (!text.includes(shown)) throw new Error(`${name} has no ${shown}`)
    return text.replaceAll(shown, real)
  }, file)
}

/** A folder that goes with the test. */
async function makeFolder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-gateway-'))
  t.teardown(() => rm(dir, { recursive: true }))
  return dir
}

async function start(t: Test, command: readonly string[], env: NodeJS.ProcessEnv, url: string): Promise<string> {
  const child = startChild(command, env)
  t.teardown(() => child.end('SIGTERM'))
  await eventually(() => child.hasExited() || fetch(url).then(() => true), { within: 10_000 })
  if (child.hasExited()) throw new Error(['it exited', ...child.lines()].join('\n'))
  return url
}

const nginx: Gateway = async (t, { latchkey, orders }) => {
  const port = await freePort()
  const server = await readMoved('nginx.conf', {
    'latchkey-1:3000': `127.0.0.1:${latchkey}`,
    'latchkey-2:3000': `127.0.0.1:${latchkey}`,
    'orders:4000': `127.0.0.1:${orders}`,
    'listen 8081': `listen 127.0.0.1:${port}`,
  })
  const temporary = ['client_body', 'proxy', 'fastcgi', 'scgi', 'uwsgi']
  const gateway = await startNginx(
    port,
    (dir) => `pid ${dir}/nginx.pid;
      error_log stderr crit;
      events { worker_connections 1024; }
      http {
        ${temporary.map((kind) => `${kind}_temp_path ${dir}/${kind};`).join(' ')}
        access_log off;
        ${server}
      }`,
  )
  t.teardown(gateway.stop)
  return gateway.url
}

const caddy: Gateway = async (t, { latchkey, orders }) => {
  const [port, dir] = [await freePort(), await makeFolder(t)]
  const file = await readMoved('Caddyfile', {
    'latchkey-1:3000 latchkey-2:3000': `127.0.0.1:${latchkey}`,
    'orders:4000': `127.0.0.1:${orders}`,
    'http://:8081 {': `http://127.0.0.1:${port} {`,
  })
  await writeFile(join(dir, 'Caddyfile'), file)
  const { command, env } = await findProgram({
    name: 'caddy',
    packages: ['caddy'],
    path: 'usr/bin/caddy',
    version: 'version',
    missing: 'No Caddy found: install caddy and run this again.',
  })
  const run = [command, 'run', '--config', join(dir, 'Caddyfile'), '--adapter', 'caddyfile']
  return start(t, run, { ...env, HOME: dir }, `http://127.0.0.1:${port}`)
}

const haproxy: Gateway = async (t, { latchkey, orders }) => {
  const [port, inner, dir] = [await freePort(), await freePort(), await makeFolder(t)]
  await writeFile(
    join(dir, 'latchkey.lua'),
    await readMoved('latchkey.lua', { '127.0.0.1:8999': `127.0.0.1:${inner}` }),
  )
  const file = await readMoved('haproxy.cfg', {
    '/etc/haproxy/latchkey.lua': join(dir, 'latchkey.lua'),
    'bind :8081': `bind 127.0.0.1:${port}`,
    '127.0.0.1:8999': `127.0.0.1:${inner}`,
    'latchkey-1:3000': `127.0.0.1:${latchkey}`,
    'latchkey-2:3000': `127.0.0.1:${latchkey}`,
    'orders:4000': `127.0.0.1:${orders}`,
  })
  await writeFile(join(dir, 'haproxy.cfg'), file)
  const { command, env } = await findProgram({
    name: 'haproxy',
    packages: ['haproxy'],
    path: 'usr/sbin/haproxy',
    version: '-v',
    missing: 'No HAProxy found: install haproxy and run this again.',
  })
  return start(t, [command, '-f', join(dir, 'haproxy.cfg'), '-db'], env, `http://127.0.0.1:${port}`)
}

/** Those that Debian has. */
export const GATEWAYS: Readonly<Record<string, Gateway>> = { nginx, Caddy: caddy, HAProxy: haproxy }
