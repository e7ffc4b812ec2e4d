import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { openHome } from '../support/home.ts'

/** The Strict-Transport-Security of every kind of answer, undefined where there is none. */
async function headersWith(env: Record<string, string>): Promise<Record<string, string | undefined>> {
  const home = await openHome(env)
  try {
    const { port } = new URL(await home.app.listen({ host: '127.0.0.1', port: 0 }))
    const raw = async (request: string) => {
      const socket = connect(Number(port), '127.0.0.1')
      await once(socket, 'connect')
      socket.write(request)
      return /^strict-transport-security: (.*)\r$/im.exec(await text(socket))?.[1]
    }
    const told = async (method: string, path: string) =>
      (await home.call(method, path)).headers['strict-transport-security'] as string | undefined
    return {
      'an answer': await told('GET', '/livez'),
      'a page': await told('GET', '/docs'),
      'a refusal': await told('GET', '/v1/me'),
      'a route that is not there': await told('GET', '/nowhere'),
      'a path that is none': await told('GET', '/%zz'),
      'what the parser refuses': await raw('NONSENSE\r\n\r\n'),
      'headers that are too large': await raw(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`),
    }
  } finally {
    await home.close()
  }
}

t.test('HSTS is in every answer, as it is set, and in none where a proxy sets it', async (t) => {
  const table: [env: Record<string, string>, value: string | undefined][] = [
    [{}, 'max-age=31536000; includeSubDomains'],
    [{ HSTS: 'max-age=63072000; includeSubDomains; preload' }, 'max-age=63072000; includeSubDomains; preload'],
    [{ HSTS: 'max-age=0' }, 'max-age=0'],
    [{ HSTS: 'off' }, undefined],
  ]
  for (const [env, value] of table)
    for (const [kind, found] of Object.entries(await headersWith(env))) t.equal(found, value, `${env['HSTS']}: ${kind}`)
})
