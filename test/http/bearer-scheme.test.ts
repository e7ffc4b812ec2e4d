import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import t, { type Test } from 'tap'
import { openHome } from '../support/home.ts'

const home = await openHome()
t.teardown(home.close)
const { access_token: token } = await home.newcomer()
await home.app.listen({ host: '127.0.0.1', port: 0 })
const { port } = home.app.server.address() as AddressInfo

/** The answer to these Authorization headers, byte for byte as they came over a socket. */
async function ask(method: string, path: string, ...values: string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'Host: x',
    'Connection: close',
    ...values.map((v) => `Authorization:${v}`),
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  let text = ''
  socket.on('data', (chunk) => (text += String(chunk)))
  await once(socket, 'close')
  return text
}

async function isRefused(t: Test, code: string, ...values: string[]): Promise<void> {
  const name = JSON.stringify(values.map((value) => value.replaceAll(token, '…')))
  const answer = await ask('GET', '/v1/verify', ...values)
  t.match(answer, /^HTTP\/1\.1 401 /, name)
  t.match(answer, `"code":"${code}"`, name)
  t.equal(/error="invalid_token"/.test(answer), code !== 'no_token', name)
}

t.test('the scheme, in any letter case, ends at one space or at many, on every route that takes a token', async (t) => {
  for (const gap of [' ', '  ', ' '.repeat(40)]) {
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      t.match(await ask('GET', '/v1/verify', `${scheme}${gap}${token}`), /^HTTP\/1\.1 204 /)
      t.match(await ask('GET', '/v1/me', ` ${scheme}${gap}${token} \t `), /^HTTP\/1\.1 200 /, 'space around the value')
    }
  }
})

t.test('a token is known again however many spaces went before it', async (t) => {
  const { access_token: another } = await home.newcomer()
  for (const [place, gap] of ['   ', ' ', '  '].entries()) {
    t.match(await ask('GET', '/v1/verify', `Bearer${gap}${another}`), /^HTTP\/1\.1 204 /, `${place}`)
  }
  t.match(await ask('POST', '/v1/logout', `Bearer     ${another}`), /^HTTP\/1\.1 204 /)
  for (const gap of ['   ', ' ', '  ', '    ']) {
    const answer = await ask('GET', '/v1/verify', `Bearer${gap}${another}`)
    t.match(answer, '"code":"token_revoked"', 'and it is revoked with all of them')
  }
})

t.test('an empty credential, two in one header, or anything else between or behind is no token of ours', async (t) => {
  for (const value of [
    'Bearer',
    'Bearer ',
    'Bearer \t ',
    `Bearer \t${token}`,
    `Bearer ,${token}`,
    `Bearer , ${token}`,
    `Bearer ${token},`,
    `Bearer ${token}, Bearer ${token}`,
    `Bearer ${token} ${token}`,
    `Bearer  token=${token}`,
    `Bearer Bearer ${token}`,
    `Bearer \u00a0${token}`,
    `Bearer  "${token}"`,
  ]) {
    await isRefused(t, 'token_invalid', value)
  }
})

t.test('what does not name the scheme, and a space behind it, brings no token', async (t) => {
  for (const value of [
    '',
    `Bearer\t${token}`,
    `Bearer,${token}`,
    `Bearer=${token}`,
    `Bearer${token}`,
    `, Bearer ${token}`,
  ]) {
    await isRefused(t, 'no_token', value)
  }
})

t.test('two Authorization headers stay refused, whatever the spaces', async (t) => {
  await isRefused(t, 'token_invalid', ` Bearer  ${token}`, ` Bearer ${token}`)
  await isRefused(t, 'token_invalid', ` Bearer  ${token}`, '')
  await isRefused(t, 'token_invalid', ' Basic YTpi', ` Bearer  ${token}`)
})
