import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { readConfig } from '../../src/config/environment.ts'
import { freePort } from '../support/free-port.ts'
import { TEST_SECRET } from '../support/env.ts'
import { startService } from '../support/service.ts'
import { complaints } from '../support/settings.ts'

const dir = await mkdtemp(join(tmpdir(), 'latchkey-secrets-'))
t.teardown(() => rm(dir, { recursive: true }))

/** A file as containers mount it: everybody may read it, nobody write. */
async function secretFile(name: string, content: string): Promise<string> {
  const path = join(dir, name)
  await writeFile(path, content)
  await chmod(path, 0o444)
  return path
}

t.test('a secret comes from the file that NAME_FILE names, without the newline at its end', async (t) => {
  const mail = { MAIL_FROM: 'ada@example.org', APP_URL: 'https://app.example.org' }
  const config = (env: Record<string, string>) => readConfig({ ...mail, ...env })
  const plain = { AUTH_SECRET: TEST_SECRET, REDIS_URL: 'redis://:hunter2@h/3', MAIL_URL: 'smtp://ada:hunter2@h' }
  for (const end of ['', '\n', '\r\n', '\n\n']) {
    const files = {
      AUTH_SECRET_FILE: await secretFile(`auth-${end.length}${end.startsWith('\r')}`, TEST_SECRET + end),
      REDIS_URL_FILE: await secretFile(`redis-${end.length}${end.startsWith('\r')}`, `redis://:hunter2@h/3${end}`),
      MAIL_URL_FILE: await secretFile(`mail-${end.length}${end.startsWith('\r')}`, `smtp://ada:hunter2@h${end}`),
    }
    t.same(config(files), config(plain), JSON.stringify(end))
  }
  const AUTH_SECRET_FILE = await secretFile('auth', `${TEST_SECRET}\n`)
  t.same(
    config({ AUTH_SECRET_FILE, AUTH_SECRET: ' ' }),
    config({ AUTH_SECRET: TEST_SECRET }),
    'a blank variable is none',
  )
  t.same(config({ AUTH_SECRET_FILE: '' }), config({}))
})

t.test(
  'two sources, a file that is not there, closed or empty stop the start without a path or a secret',
  async (t) => {
    const good = await secretFile('good-hunter2', TEST_SECRET)
    const folder = join(dir, 'folder-hunter2')
    await mkdir(folder)
    const table: [env: Record<string, string>, ...lines: RegExp[]][] = [
      [{ AUTH_SECRET: TEST_SECRET, AUTH_SECRET_FILE: good }, /^ {2}AUTH_SECRET and AUTH_SECRET_FILE are both set/],
      [{ REDIS_URL: 'redis://:hunter2@h', REDIS_URL_FILE: good }, /^ {2}REDIS_URL and REDIS_URL_FILE are both set/],
      [{ AUTH_SECRET: '', AUTH_SECRET_FILE: join(dir, 'hunter2') }, /^ {2}AUTH_SECRET .*AUTH_SECRET_FILE.*ENOENT/],
      [{ REDIS_URL_FILE: folder }, /^ {2}REDIS_URL .*REDIS_URL_FILE.*EISDIR/],
      [{ REDIS_URL_FILE: await secretFile('hunter2-empty', '') }, /^ {2}REDIS_URL .*REDIS_URL_FILE.*empty/],
      [
        { AUTH_SECRET: '', AUTH_SECRET_FILE: await secretFile('hunter2-blank', ' \n') },
        /^ {2}AUTH_SECRET .*AUTH_SECRET_FILE.*empty/,
      ],
      [{ REDIS_URL_FILE: await secretFile('hunter2-url', 'redis://:hunter2@h,hunter2\n') }, /^ {2}REDIS_URL must be/],
      [
        { AUTH_SECRET: '', AUTH_SECRET_FILE: await secretFile('two', `${TEST_SECRET}\n${TEST_SECRET}\n`) },
        /^ {2}AUTH_SECRET must be/,
      ],
      [
        { AUTH_SECRET: '', AUTH_SECRET_FILE: join(dir, 'hunter2'), REDIS_URL: 'redis://h', PORT: '080' },
        /^ {2}AUTH_SECRET .*ENOENT/,
        /^ {2}PORT /,
      ],
    ]
    for (const [env, ...lines] of table) {
      const said = complaints(env)
      t.match(said, lines)
      t.equal(said.length, lines.length, said.join('\n'))
      t.notMatch(said.join(), new RegExp(`hunter2|${TEST_SECRET}|${dir}`))
    }
  },
)

t.test('a service starts with a secret in a file that everybody may read, and keeps no other', async (t) => {
  const DATA_DIR = join(dir, 'data')
  const AUTH_SECRET_FILE = await secretFile('mounted', `${TEST_SECRET}\n`)
  const first = await startService({ DATA_DIR, AUTH_SECRET_FILE })
  const account = { email: 'ada@example.org', password: 'seven red bicycles in the rain' }
  const { body } = await first.call('POST', '/v1/register', { body: account })
  await first.stop('SIGINT')
  const second = await startService({ DATA_DIR, AUTH_SECRET: TEST_SECRET })
  t.teardown(() => second.stop('SIGINT'))
  const again = await second.call('POST', '/v1/refresh', { body: { refresh_token: body.refresh_token } })
  t.equal(again.status, 200, 'it is the same secret')
  t.notMatch([...first.lines(), ...second.lines()].join('\n'), TEST_SECRET)
})

t.test('a process that finds both ends with one message', async (t) => {
  const main = new URL('../../../dist/main.js', import.meta.url).pathname
  const env = {
    PATH: process.env['PATH'],
    PORT: `${await freePort()}`,
    DATA_DIR: join(dir, 'none'),
    AUTH_SECRET: TEST_SECRET,
    AUTH_SECRET_FILE: await secretFile('too', TEST_SECRET),
  }
  const failure = await promisify(execFile)(process.execPath, [main], { env }).catch((error: unknown) => error)
  t.match(failure, {
    code: 1,
    stdout: '',
    stderr: /^Latchkey cannot start.*\n {2}AUTH_SECRET and AUTH_SECRET_FILE are both set.*\n$/,
  })
})
