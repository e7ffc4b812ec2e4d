import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { NO_LIMITS, TEST_SECRET } from '../test/support/env.ts'
import { findModules, PYTHON } from '../test/support/python.ts'
import type { MakeDevice } from './device.ts'
import { cookieDevice, tokenDevice } from './devices.ts'
import { latchkeyDevice } from './latchkey-device.ts'

const run = promisify(execFile)

export type StoreKind = 'standalone' | 'sentinel' | 'cluster'

/** A strategy for sessions. */
export interface Contender {
  readonly name: string
  /** What it costs, and where it is better than Latchkey. */
  readonly words: string
  readonly program: 'latchkey' | `${string}.mjs` | `${string}.py`
  /** How nginx chooses an instance, and what it needs for that. */
  readonly routing?: { readonly choose: string; readonly http?: string; readonly locations?: string }
  /** Which stores it can be given; none: it has no store. */
  readonly stores: readonly StoreKind[]
  readonly device: MakeDevice
}

const STICKY_COOKIE = {
  http: 'map $cookie_route $new_route { "" "route=$request_id; Path=/; HttpOnly; Max-Age=1209600"; default ""; }',
  choose: 'hash $cookie_route consistent;',
  locations: 'location / { add_header Set-Cookie $new_route always; proxy_pass http://instances; }',
}

const NO_STORE: readonly StoreKind[] = []
const EVERY_STORE: readonly StoreKind[] = ['standalone', 'sentinel', 'cluster']

export const CONTENDERS: readonly Contender[] = [
  {
    name: 'memory, round robin',
    words:
      'The fewest parts of all and the fastest reads: right for one process, and for one process only. Behind round robin two requests of three meet a process that has never heard of the session.',
    program: 'memory.mjs',
    stores: NO_STORE,
    device: cookieDevice,
  },
  {
    name: 'memory, ip_hash',
    words:
      'One line of nginx and no code. It holds as long as nobody changes networks and no process ends; people behind one address share one process.',
    program: 'memory.mjs',
    routing: { choose: 'ip_hash;' },
    stores: NO_STORE,
    device: cookieDevice,
  },
  {
    name: 'memory, sticky cookie',
    words:
      'Three lines of nginx and no code, and a change of network does no harm. What a process knew is gone when it ends, at each deploy; and what must reach all sessions of a user (a password change) reaches those of one process.',
    program: 'memory.mjs',
    routing: STICKY_COOKIE,
    stores: NO_STORE,
    device: cookieDevice,
  },
  {
    name: 'memory, broadcast',
    words:
      'No store to run, and a process may end. Every process holds every session and hears of every change, so that it grows with the square of the fleet; whole sessions overwrite each other; when all processes end, all logins do.',
    program: 'broadcast.mjs',
    stores: NO_STORE,
    device: cookieDevice,
  },
  {
    name: 'express-session + Redis',
    words:
      'What most would choose, and simpler than Latchkey for its clients: one cookie, no refresh, no token that expires. The session is read and written whole, so that what two tabs do at once overwrites each other, and a request under way while its session is logged out writes it back.',
    program: 'express-redis.mjs',
    stores: EVERY_STORE,
    device: cookieDevice,
  },
  {
    name: '@fastify/session + Redis',
    words: 'The same under Fastify, with the same simple client and the same whole-session writes.',
    program: 'fastify-redis.mjs',
    stores: EVERY_STORE,
    device: cookieDevice,
  },
  {
    name: '@fastify/secure-session',
    words:
      'No store at all: nothing to run, to fail or to wait for, and any instance answers. What a cookie says is true until it expires: nobody can take it back, and the last answer wins over what another tab has put into it.',
    program: 'secure-session.mjs',
    stores: NO_STORE,
    device: cookieDevice,
  },
  {
    name: 'Flask, its own cookie',
    words:
      'The default of a widespread framework: no store, no code. Like any self-contained cookie it cannot be revoked, and it asks for clocks that agree.',
    program: 'flask-cookie.py',
    stores: NO_STORE,
    device: cookieDevice,
  },
  {
    name: 'Flask-Session + Redis',
    words:
      'Two lines turn Flask’s cookie into a session in Redis, which every request reads and writes whole, also those that only read.',
    program: 'flask-redis.py',
    stores: EVERY_STORE,
    device: cookieDevice,
  },
  {
    name: 'plain JWT, two weeks',
    words:
      'No store, and other services verify it alone: nothing is faster or has fewer parts. Logout is a promise of the client; whoever has a copy keeps it for two weeks.',
    program: 'plain-jwt.mjs',
    stores: NO_STORE,
    device: tokenDevice,
  },
  {
    name: 'Latchkey, body',
    words:
      'Needs a Redis (or its embedded store, on one machine) and a client that refreshes and waits when told to. That client logic is the price of the zeros; a central session asks none of it.',
    program: 'latchkey',
    stores: EVERY_STORE,
    device: latchkeyDevice('body'),
  },
  {
    name: 'Latchkey, cookie',
    words: 'The same with the refresh token in a cookie that no script can read.',
    program: 'latchkey',
    stores: EVERY_STORE,
    device: latchkeyDevice('cookie'),
  },
]

const LAB = fileURLToPath(new URL('../../lab/', import.meta.url))
const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

/** How to run one instance of it: the command, and the environment that is not about places. */
export async function programOf({ program }: Contender): Promise<{ command: string[]; env: Record<string, string> }> {
  if (program === 'latchkey') return { command: [process.execPath, MAIN], env: LATCHKEY }
  const file = join(LAB, 'contenders', program)
  const env = { SECRET: TEST_SECRET, NODE_ENV: 'production' }
  if (program.endsWith('.mjs')) return { command: [process.execPath, file], env }
  return { command: [PYTHON, file], env: { ...env, ...(await findFlask()) } }
}

const LATCHKEY = {
  AUTH_SECRET: TEST_SECRET,
  ISSUER: 'http://localhost:3000',
  TRUST_PROXY: '127.0.0.1',
  LOG_LEVEL: 'warn',
  ...NO_LIMITS,
}

const FLASK = [
  'flask',
  'flask-session',
  'redis',
  'waitress',
  'werkzeug',
  'jinja2',
  'click',
  'itsdangerous',
  'markupsafe',
]
const MORE = ['cachelib', 'async-timeout', 'deprecated', 'wrapt', 'packaging']

const findFlask = () => findModules('flask', ['flask', 'flask_session', 'redis', 'waitress'], [...FLASK, ...MORE])

/** Installs the contenders' packages, which the service has no use for, unless they are there. */
export async function installContenders(): Promise<void> {
  if (existsSync(join(LAB, 'node_modules'))) return
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: LAB })
}
