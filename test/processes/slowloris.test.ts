import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { problemIn, sendRaw, statusesOf } from '../support/raw.ts'
import { startService } from '../support/service.ts'

// In a file of its own: whatever else its process did would count into the time.

const DATA_DIR = await mkdtemp(join(tmpdir(), 'latchkey-slow-'))
t.teardown(() => rm(DATA_DIR, { recursive: true }))
const service = await startService({ DATA_DIR })
t.teardown(service.kill)

const raw = (parts: readonly string[], drip = '') => sendRaw(service.port, parts, { within: 15_000, drip })
const POST = 'POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
const slow = {
  'says nothing at all': raw([]),
  'sends its headers one by one': raw(['GET /v1/me HTTP/1.1\r\nHost: x\r\n'], 'X-A: b\r\n'),
  'stops in the middle of the request line': raw(['GET /v1/']),
  'sends its body byte by byte': raw([`${POST}Content-Length: 2000\r\n\r\n{`], ' '),
  'never ends its chunks': raw([`${POST}Transfer-Encoding: chunked\r\n\r\n`], '1\r\n \r\n'),
}

t.test('slowloris: a request that never completes is answered 408 and closed within seconds', async (t) => {
  for (const [name, answer] of Object.entries(slow)) {
    const heard = await answer
    t.ok(heard.isClosed, `${name}: closed after ${Math.round(heard.ms)} ms`)
    t.ok(heard.ms > 5000 && heard.ms < 14_000, name)
    t.strictSame(statusesOf(heard), [408], name)
    t.match(problemIn(heard), { status: 408, code: 'request_timeout' })
  }
  t.equal((await service.call('GET', '/readyz')).status, 200)
})
