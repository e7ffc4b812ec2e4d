import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import t from 'tap'
import { headerText } from '../../src/domain/header-text.ts'
import { openHome } from '../support/home.ts'

/** The text of these bytes as Node hands a header over. */
const latin1 = (bytes: Buffer | string) => Buffer.from(bytes).toString('latin1')

t.test('a header is read as UTF-8 where its bytes are that, else as Latin-1', async (t) => {
  const cases: [name: string, bytes: Buffer | string, text: string][] = [
    ['ASCII', 'Mozilla/5.0 (X11; Linux)', 'Mozilla/5.0 (X11; Linux)'],
    ['nothing', '', ''],
    ['two bytes a character', 'Café/1.0', 'Café/1.0'],
    ['three', '래치키 앱/2.1', '래치키 앱/2.1'],
    ['four', 'Turnip 🥕/3', 'Turnip 🥕/3'],
    ['Latin-1', Buffer.from('Café/1.0', 'latin1'), 'Café/1.0'],
    ['both mixed is no UTF-8', Buffer.concat([Buffer.from('é'), Buffer.from('é', 'latin1')]), 'Ã©é'],
    ['a character cut short', Buffer.from('래').subarray(0, 2), 'ë'],
    ['an overlong slash', Buffer.from([0x2f, 0xc0, 0xaf]), '/À¯'],
    ['half a surrogate pair', Buffer.from([0x78, 0xed, 0xa0, 0xbd]), 'xí\u00a0½'],
  ]
  for (const [name, bytes, text] of cases) t.equal(headerText(latin1(bytes), 256), text, name)
})

t.test('controls go after the bytes have been read, also those that turn a line around or break it', async (t) => {
  const cases: [bytes: Buffer | string, text: string][] = [
    ['a\u0000b\tc\u007fd', 'abcd'],
    ['a\u0085b\u009bc', 'abc'],
    [Buffer.from('a\u0085b', 'latin1'), 'ab'],
    ['a\u202eb\u2066c\u200fd', 'abcd'],
    ['a\u2028b\u2029c', 'abc'],
    ['À', 'À'], // its second byte alone would be a control
    ['👩‍🚀', '👩‍🚀'],
  ]
  for (const [bytes, text] of cases) t.equal(headerText(latin1(bytes), 256), text, JSON.stringify(text))
})

t.test('it is cut where it is too long, never in the middle of a character', async (t) => {
  t.equal(headerText('x'.repeat(257), 256), 'x'.repeat(256))
  t.equal(headerText(latin1('래'.repeat(300)), 256), '래'.repeat(256))
  t.equal(headerText(latin1('🥕'.repeat(128)), 256), '🥕'.repeat(128))
  t.equal(headerText(latin1(`x${'🥕'.repeat(128)}`), 256), `x${'🥕'.repeat(127)}`)
  t.equal(headerText(latin1(`${'\u0001'.repeat(300)}x`), 256), 'x', 'controls do not count')
  for (let length = 0; length < 9; length += 1) {
    const text = headerText(latin1('a🥕é래🥕'), length)
    t.ok(text.isWellFormed() && text.length <= length && 'a🥕é래🥕'.startsWith(text), `${length}`)
  }
})

t.test('the list of devices and the log show a user agent as its client wrote it', async (t) => {
  const home = await openHome()
  t.teardown(home.close)
  await home.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = home.app.server.address() as AddressInfo

  async function loginWith(userAgent: Buffer): Promise<void> {
    const body = JSON.stringify({ email, password })
    const socket = connect(port, '127.0.0.1')
    const head = `POST /v1/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n`
    socket.write(Buffer.concat([Buffer.from(`${head}User-Agent: `), userAgent, Buffer.from(`\r\n\r\n${body}`)]))
    await once(socket.resume(), 'close')
  }
  const { email, password, access_token: token } = await home.newcomer()
  await loginWith(Buffer.from('래치키 앱 🥕'))
  await loginWith(Buffer.from('Café', 'latin1'))
  const { sessions } = (await home.call('GET', '/v1/sessions', { token })).body
  const shown = sessions.map((session: { user_agent: string }) => session.user_agent)
  t.strictSame(shown.slice(1), ['래치키 앱 🥕', 'Café'])
  const logged = home.events('login.succeeded').map((line) => line['user_agent'])
  t.strictSame(logged.slice(-2), ['래치키 앱 🥕', 'Café'])
})
