import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { NO_LIMITS, TEST_SECRET, mailTo } from '../support/env.ts'
import { openHome } from '../support/home.ts'
import { aMail, hintsOf, write } from '../support/mails.ts'
import { startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'
import { startSmtp } from '../support/smtp.ts'

const dir = await mkdtemp(join(tmpdir(), 'latchkey-mail-'))
t.teardown(() => rm(dir, { recursive: true }))
const MAIN = new URL('../../../dist/main.js', import.meta.url).pathname

/** Runs a command to its end. */
const run = (env: Record<string, string>, ...words: string[]) =>
  promisify(execFile)(process.execPath, [MAIN, ...words], { env: { PATH: process.env['PATH'], ...env } }).catch(
    (error: unknown) => error,
  )

t.test('a template that cannot be used ends the start with one line, before there is a store', async (t) => {
  await mkdir(join(dir, 'words/ko'), { recursive: true })
  await writeFile(join(dir, 'words/ko/password-changed.txt'), 'Subject: x\n\ny\n{{secret}}\n')
  const DATA_DIR = join(dir, 'none')
  const env = { ...mailTo('smtp://localhost'), MAIL_TEMPLATES: join(dir, 'words'), DATA_DIR, PORT: '0' }
  t.match(await run(env), {
    code: 1,
    stdout: '',
    stderr: /^MAIL_TEMPLATES: ko\/password-changed\.txt:4 may not say \{\{secret\}\}, .*\n$/,
  })
  t.notOk(existsSync(DATA_DIR))
})

t.test(
  'SIGTERM lets the mail in flight arrive, within the ten seconds of the drain; commands send nothing',
  async (t) => {
    const smtp = await startSmtp()
    t.teardown(smtp.stop)
    const DATA_DIR = join(dir, 'data')
    const place = { DATA_DIR, AUTH_SECRET: TEST_SECRET, ...NO_LIMITS }
    const home = await openHome(place)
    await write(home.deps, aMail(home.clock.now))

    const env = { ...place, ...mailTo(smtp.url) }
    await run(env, 'rotate-keys')
    t.equal(smtp.attempts('ada@example.org'), 0)

    smtp.hold()
    const service = await startService(env)
    await eventually(() => smtp.attempts('ada@example.org') === 1, { within: 10_000 })
    const began = performance.now()
    const code = service.stop()
    await eventually(() => service.lines().some((line) => line.includes('"stopping"')), { within: 5000 })
    const late = aMail(home.clock.now, { to: 'late@example.org' })
    await write(home.deps, late)
    smtp.release()
    t.equal(await code, 0)
    t.ok(performance.now() - began < 10_000)
    t.equal(smtp.mails.length, 1)
    t.match(service.events('mail.sent'), [{ kind: 'password-changed', tries: 1 }])
    t.match(await hintsOf(home.deps), [{ mailId: late.id }], 'what came after the signal waits')
    await home.close()
  },
)
