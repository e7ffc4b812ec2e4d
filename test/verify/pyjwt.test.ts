import { readFile } from 'node:fs/promises'
import { decodeProtectedHeader } from 'jose'
import t from 'tap'
import { startChild } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { openHome } from '../support/home.ts'
import { findModules, PYTHON } from '../support/python.ts'
import { callAt } from '../support/service.ts'
import { eventually } from '../support/settle.ts'

const env = await findModules('pyjwt', ['jwt', 'cryptography'], ['jwt', 'cryptography'])

t.test('the Python service of docs/services.md verifies our tokens, through a rotation of the keys', async (t) => {
  const [port, own] = [await freePort(), await freePort()]
  const issuer = `http://localhost:${port}`
  const home = await openHome({ ISSUER: issuer })
  t.teardown(home.close)
  await home.app.listen({ host: 'localhost', port })
  const text = await readFile('examples/python-service.py', 'utf8')
  const moved = text.replace('http://localhost:3000', issuer).replace('4000', `${own}`)
  const child = startChild([PYTHON, '-c', moved], env)
  t.teardown(() => child.end('SIGKILL'))
  const call = callAt(`http://localhost:${own}`)
  await eventually(() => call('GET', '/'), { within: 10_000 })

  const before = await home.newcomer()
  t.match(await call('GET', '/', { token: before.access_token }), { status: 200, body: `${before.user.id}\n` })
  await home.deps.keyring.rotate()
  const after = await home.newcomer()
  t.not(decodeProtectedHeader(after.access_token).kid, decodeProtectedHeader(before.access_token).kid)
  for (const { access_token: token, user } of [before, after])
    t.match(await call('GET', '/', { token }), { status: 200, body: `${user.id}\n` })
  t.equal((await call('GET', '/')).status, 401)
  t.equal((await call('GET', '/', { token: `${after.access_token.slice(0, -8)}AAAAAAAA` })).status, 401)
})
