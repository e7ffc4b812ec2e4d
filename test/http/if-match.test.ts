import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { type Newcomer, openHome } from '../support/home.ts'
import { startBalancer } from '../support/nginx.ts'

const home = await openHome()
t.teardown(home.close)

const port = () => (home.app.server.address() as AddressInfo).port

/** Somebody with a document, and the tag it has. */
async function owner(): Promise<{ me: Newcomer; tag: string }> {
  const me = await home.newcomer()
  const { headers } = await home.call('PATCH', '/v1/session/data', { token: me.access_token, body: { cart: 'full' } })
  return { me, tag: headers['etag'] as string }
}

t.test('a change goes through if the list has the tag, weak or not, among whatever else', async (t) => {
  const { me, tag } = await owner()
  const matching = [
    tag,
    `W/${tag}`,
    ` ${tag} `,
    `"x", ${tag}`,
    `${tag}, "x"`,
    `"x",${tag},"y"`,
    `W/"x", W/${tag}`,
    `"a,b", ${tag}`,
    `"a, W/", ${tag}`,
    `"", ${tag}`,
    `,, ${tag} ,`,
    `"\u00e9", ${tag}`,
    '*',
    ' * ',
  ]
  for (const ifMatch of matching) {
    const answer = await home.call('PATCH', '/v1/session/data', {
      token: me.access_token,
      body: {},
      headers: { 'if-match': ifMatch },
    })
    t.equal(answer.status, 200, ifMatch)
    t.equal(answer.headers['etag'], tag, 'what is sent back is strong')
  }
})

t.test('a change does not go through on another tag, nor on what is no list of tags', async (t) => {
  const { me, tag } = await owner()
  const bare = tag.slice(1, -1)
  const others = [
    '',
    ' ',
    ',',
    '"x"',
    'W/"x"',
    `w/${tag}`,
    `W ${tag}`,
    `W/W/${tag}`,
    bare,
    `'${bare}'`,
    `"${bare}`,
    `${bare}"`,
    `"${bare},"`,
    `"x,${bare}"`,
    `"x, ${bare}, y"`,
    `"-gzip${bare}"`,
    `${tag} "x"`,
    `"x"${tag}`,
    `${tag};`,
    `${tag}, x`,
    `x, ${tag}`,
    `${tag}, *`,
    `*, ${tag}`,
    '*, *',
    '**',
    '"*"',
    `"${bare.toLowerCase()}"`,
  ]
  for (const ifMatch of others) {
    const answer = await home.call('PATCH', '/v1/session/data', {
      token: me.access_token,
      body: { cart: 'empty' },
      headers: { 'if-match': ifMatch },
    })
    t.match(answer, { status: 412, body: { code: 'precondition_failed' } }, ifMatch)
  }
  const { body } = await home.call('GET', '/v1/session/data', { token: me.access_token })
  t.same(body, { cart: 'full' })
})

t.test('the header may come in several lines, and is as if it came in one', async (t) => {
  await home.app.listen({ host: '127.0.0.1', port: 0 })
  const { me, tag } = await owner()
  const ask = async (...lines: string[]) => {
    const socket = connect(port(), '127.0.0.1')
    const head = [
      'PATCH /v1/session/data HTTP/1.1',
      'Host: x',
      'Connection: close',
      'Content-Type: application/json',
      'Content-Length: 2',
      `Authorization: Bearer ${me.access_token}`,
      ...lines.map((line) => `If-Match: ${line}`),
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n{}`)
    return Number((await text(socket)).split(' ')[1])
  }
  t.equal(await ask('"x"', tag), 200)
  t.equal(await ask(`W/${tag}`, '"x"'), 200)
  t.equal(await ask('"x"', '"y"'), 412)
  t.equal(await ask('"x"', '*'), 412, 'a star is alone, or nothing')
})

t.test('the tag that a compressing nginx hands out is good to change what was read', async (t) => {
  const nginx = await startBalancer({
    ports: [port()],
    http: 'gzip on; gzip_proxied any; gzip_min_length 0; gzip_types application/json;',
  })
  t.teardown(nginx.stop)
  const { me } = await owner()
  const headers = { authorization: `Bearer ${me.access_token}`, 'content-type': 'application/json' }
  const read = await fetch(`${nginx.url}/v1/session/data`, { headers: { ...headers, 'accept-encoding': 'gzip' } })
  const tag = read.headers.get('etag') as string
  t.match(tag, /^W\/"/, 'nginx has made it weak')
  const change = (cart: string) =>
    fetch(`${nginx.url}/v1/session/data`, {
      method: 'PATCH',
      headers: { ...headers, 'if-match': tag },
      body: JSON.stringify({ cart }),
    })
  t.equal((await change('fuller')).status, 200)
  t.equal((await change('lost')).status, 412, 'but only once')
})
