import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { type Home, openHome } from '../support/home.ts'

// One client is one address, however a socket or a proxy spells it.

const PASSWORD = 'seven red bicycles in the rain'

async function open(t: Test, env: Record<string, string>): Promise<Home> {
  const home = await openHome(env)
  t.teardown(home.close)
  return home
}

const refresh = async (home: Home, ip: string, forwarded?: string) => {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
  const answer = await home.call('POST', '/v1/refresh', { body: { refresh_token: 'x' }, ip, headers })
  return answer.status
}

/** How the service shows where a newcomer has come from: in the list of sessions, and in the log. */
async function shown(home: Home, ip: string, headers: Record<string, string> = {}): Promise<unknown[]> {
  const body = { email: `shown-${home.events('account.registered').length}@example.org`, password: PASSWORD }
  const { access_token: token } = (await home.call('POST', '/v1/register', { body, ip, headers })).body
  const { sessions } = (await home.call('GET', '/v1/sessions', { token, ip, headers })).body
  return [sessions[0].ip, home.events('account.registered').at(-1)?.['ip']]
}

t.test('an IPv4 address is shown as one, however it came', async (t) => {
  const home = await open(t, { TRUST_PROXY: '10.0.0.1' })
  for (const ip of ['192.0.2.1', '::ffff:192.0.2.1', '::FFFF:c000:201', '64:ff9b::c000:201', '64:ff9b:1::192.0.2.1']) {
    t.strictSame(await shown(home, ip), ['192.0.2.1', '192.0.2.1'], ip)
    t.strictSame(await shown(home, '10.0.0.1', { 'x-forwarded-for': ip }), ['192.0.2.1', '192.0.2.1'], `behind: ${ip}`)
  }
  t.strictSame(
    await shown(home, '::ffff:10.0.0.1', { 'x-forwarded-for': '2001:DB8:0:0::1' }),
    ['2001:db8::1', '2001:db8::1'],
    'and IPv6 in one spelling',
  )
})

t.test('a client that comes over a socket of both kinds is shown by its IPv4 address', async (t) => {
  const home = await open(t, {})
  await home.app.listen({ host: '::', port: 0 })
  const { port } = home.app.server.address() as AddressInfo
  const body = JSON.stringify({ email: 'dual@example.org', password: PASSWORD })
  const response = await fetch(`http://127.0.0.1:${port}/v1/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  t.equal(response.status, 201)
  t.equal(home.events('account.registered')[0]?.['ip'], '127.0.0.1')
})

t.test('an address that a proxy sends with its port is the address', async (t) => {
  const home = await open(t, { TRUST_PROXY: '10.0.0.0/8,2001:db8:ffff::/48', LIMIT_REFRESH: '2/1m' })
  const from = async (...forwarded: string[]) => {
    const statuses: number[] = []
    for (const each of forwarded) statuses.push(await refresh(home, '10.0.0.1', each))
    return statuses
  }
  t.strictSame(
    await from('192.0.2.1:4711', '192.0.2.1:4712', '192.0.2.1', '192.0.2.1:4713'),
    [401, 401, 429, 429],
    'a port more is no address more',
  )
  t.strictSame(await from('192.0.2.2:4711'), [401], 'another address is another')
  t.strictSame(
    await from('[2001:db8::1]:4711', '[2001:DB8::2]:1', '2001:db8::3', '[2001:db8::4]'),
    [401, 401, 429, 429],
  )
  t.strictSame(
    await from('203.0.113.1:4711, 10.0.0.9:5000', '203.0.113.1, [2001:db8:ffff::9]:5000', '203.0.113.1:4711'),
    [401, 401, 429],
    'the proxies between may have ports, too',
  )
  t.strictSame(
    await from('198.51.100.1, 203.0.113.2:4711', '198.51.100.2, 203.0.113.2:4712', '198.51.100.3:1, 203.0.113.2'),
    [401, 401, 429],
    'what the client wrote itself',
  )
  t.strictSame(await shown(home, '10.0.0.1', { 'x-forwarded-for': '192.0.2.1:4711' }), ['192.0.2.1', '192.0.2.1'])
  t.strictSame(
    await from('192.0.2.9:', ':80', '[]:80', '[192.0.2.9', 'unknown:80', '192.0.2.9:port'),
    [401, 401, 429, 429, 429, 429],
    'no junk is an address: it is the proxy’s',
  )
})

t.test('straight to the port a header with ports makes nobody another', async (t) => {
  const home = await open(t, { TRUST_PROXY: '10.0.0.0/8', LIMIT_REFRESH: '2/1m' })
  const statuses: number[] = []
  for (const place of [1, 2, 3]) statuses.push(await refresh(home, '203.0.113.1', `192.0.2.${place}:4711, 10.0.0.9:80`))
  t.strictSame(statuses, [401, 401, 429])
})

t.test('the customers of a translator or of a tunnel do not share one another’s limit', async (t) => {
  const home = await open(t, { LIMIT_REFRESH: '2/1m' })
  const forms = [
    (last: number) => `64:ff9b::203.0.113.${last}`,
    (last: number) => `64:ff9b:1::198.51.100.${last}`,
    (last: number) => `2001:0:c000:201:8000:1:${(0x3fff).toString(16)}:${(0xfd00 + last).toString(16)}`,
    (last: number) => `2002:c612:64${last}::1`,
    (last: number) => `::ffff:0:192.0.2.${last}`,
  ]
  for (const form of forms) {
    const statuses: number[] = []
    for (const last of [21, 21, 21, 22, 22, 22, 23]) statuses.push(await refresh(home, form(last)))
    t.strictSame(statuses, [401, 401, 429, 401, 401, 429, 401], form(21))
  }
})

t.test('one end of a tunnel is one client, whichever of its addresses asks', async (t) => {
  const home = await open(t, { LIMIT_REFRESH: '2/1m' })
  t.equal(await refresh(home, '2002:c000:201:1::1'), 401)
  t.equal(await refresh(home, '2002:c000:201:2::1'), 401)
  t.equal(await refresh(home, '2002:c000:201:3::1'), 429)
  t.equal(await refresh(home, '192.0.2.1'), 429, 'without the tunnel, too')
  t.equal(await refresh(home, '2001:0:cb00:7101:8000:1:3fff:fdfd'), 401)
  t.equal(await refresh(home, '2001:0:cb00:7102:8000:2:3fff:fdfd'), 401)
  t.equal(await refresh(home, '2001:0:cb00:7103:8000:3:3fff:fdfd'), 429)
})
