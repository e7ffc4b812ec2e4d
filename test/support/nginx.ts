import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild } from './child.ts'
import { findProgram } from './debian.ts'
import { freePort } from './free-port.ts'
import { eventually } from './settle.ts'

/** A running nginx in front of instances. */
export type Balancer = {
  readonly url: string
  readonly port: number
  readonly pid: number | undefined
  readonly lines: () => readonly string[]
  readonly stop: () => Promise<void>
}

/** How to start one. */
export type BalancerOptions = {
  /** The ports of the instances on 127.0.0.1. */
  readonly ports: readonly number[]
  /** How an instance is chosen; nothing is nginx's round robin. An example: `hash $cookie_server consistent;` */
  readonly choose?: string
  /** Directives of the server block in place of `location / { proxy_pass http://instances; }`. */
  readonly locations?: string
  /** Directives of the http block. */
  readonly http?: string
  readonly port?: number
}

/** Starts nginx on 127.0.0.1 in front of the instances; resolves when it listens. It tells nobody's name: X-Forwarded-For is the client's address. */
export async function startBalancer(options: BalancerOptions): Promise<Balancer> {
  const port = options.port ?? (await freePort())
  return startNginx(port, (dir) => configuration({ ...options, port }, dir))
}

/** Starts nginx with this configuration; `configure` is told the folder for everything it writes. */
export async function startNginx(port: number, configure: (dir: string) => string): Promise<Balancer> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-nginx-'))
  const file = join(dir, 'nginx.conf')
  // One process without a master, so that no worker is left behind.
  await writeFile(file, `daemon off;\nmaster_process off;\n${configure(dir)}`)
  const { command, env } = await nginx()
  const child = startChild([command, '-c', file, '-p', dir, '-e', 'stderr'], env)
  const url = `http://127.0.0.1:${port}`
  await eventually(() => child.hasExited() || fetch(`${url}/-/up`).then(() => true), { within: 10_000 })
  if (child.hasExited()) throw new Error(['nginx exited', ...child.lines()].join('\n'))
  return {
    url,
    port,
    pid: child.pid,
    lines: child.lines,
    async stop() {
      await child.end('SIGTERM')
      await rm(dir, { recursive: true, force: true })
    },
  }
}

function nginx() {
  return findProgram({
    name: 'nginx',
    packages: ['nginx'],
    path: 'usr/sbin/nginx',
    version: '-v',
    missing: 'No nginx found: install nginx and run this again.',
  })
}

function configuration({ ports, port, choose = '', http = '', locations }: BalancerOptions, dir: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'scgi', 'uwsgi']
  return `
pid ${dir}/nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
  ${temporary.map((kind) => `${kind}_temp_path ${dir}/${kind};`).join('\n  ')}
  access_log off;
  server_tokens off;
  default_type text/plain;
  upstream instances {
    ${choose}
    ${ports.map((each) => `server 127.0.0.1:${each} fail_timeout=1s;`).join('\n    ')}
    keepalive 32;
  }
  proxy_http_version 1.1;
  proxy_connect_timeout 1s;
  proxy_read_timeout 5s;
  proxy_set_header Host $http_host;
  proxy_set_header Connection "";
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Proto $scheme;
  ${http}
  server {
    listen 127.0.0.1:${port};
    location = /-/up { return 204; }
    ${locations ?? 'location / { proxy_pass http://instances; }'}
  }
}
`
}
