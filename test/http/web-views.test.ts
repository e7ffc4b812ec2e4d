import t from 'tap'
import { openHome } from '../support/home.ts'
import { complaints } from '../support/settings.ts'

// Apps in a web view have origins that the URL standard calls "null": what counts is the text that they send.

const APPS = [
  'capacitor://localhost',
  'ionic://localhost',
  'tauri://localhost',
  'app://-',
  'app://obsidian.md',
  'capacitor-electron://-',
  'chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb',
  'http://tauri.localhost',
  'https://localhost',
  'app://localhost:8080',
]
const STRANGERS = [
  'capacitor://evil',
  'capacitor://localhost:80',
  'capacitor://localhost.evil.example',
  'Capacitor://localhost',
  'capacitor://localhost/',
  'ionic:localhost',
  'tauri://LOCALHOST',
  'null',
  'file://',
  'app://',
  'https://capacitor',
  'http://localhost',
]

const home = await openHome({ ALLOWED_ORIGINS: APPS.join(', ') })
t.teardown(home.close)
const me = await home.newcomer()

t.test('CORS answers an app in a web view by its own origin, and nobody who resembles it', async (t) => {
  for (const origin of [...APPS, ...STRANGERS]) {
    const isAllowed = APPS.includes(origin)
    const asks = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' }
    const preflight = await home.call('OPTIONS', '/v1/me', { headers: asks })
    const answer = await home.call('GET', '/v1/me', { token: me.access_token, headers: { origin } })
    t.equal(answer.status, 200)
    for (const { headers } of [preflight, answer]) {
      t.equal(headers['access-control-allow-origin'], isAllowed ? origin : undefined, origin)
      t.equal(headers['access-control-allow-credentials'], isAllowed ? 'true' : undefined, origin)
      t.match(headers['vary'], /\borigin\b/i)
    }
  }
})

t.test('a web view may ask for the cookie and use it, another one is cross-site', async (t) => {
  const body = { email: me.email, password: me.password, transport: 'cookie' }
  for (const origin of [...APPS, ...STRANGERS]) {
    const isAllowed = APPS.includes(origin)
    // Some web views say nothing of the site, others that it is another.
    for (const more of [{}, { 'sec-fetch-site': 'cross-site' }]) {
      const headers = { origin, ...more }
      const login = await home.call('POST', '/v1/login', { body, headers })
      t.equal(login.status, isAllowed ? 200 : 403, origin)
      if (login.status !== 200) continue
      const [cookie = ''] = String(login.headers['set-cookie']).split(';')
      t.equal((await home.call('POST', '/v1/refresh', { headers: { ...headers, cookie } })).status, 200, origin)
      t.equal((await home.call('POST', '/v1/refresh', { headers: { origin: 'capacitor://evil', cookie } })).status, 403)
    }
  }
})

t.test('an allowed origin is exactly what a browser or a web view sends', async (t) => {
  for (const origin of APPS) t.same(complaints({ ALLOWED_ORIGINS: origin }), [], origin)
  const refused = [
    'capacitor://',
    'capacitor://localhost/',
    'capacitor://LOCALHOST',
    'Capacitor://localhost',
    'capacitor://localhost:',
    'capacitor://localhost:080',
    'capacitor://localhost?',
    'capacitor://user@localhost',
    'capacitor://*',
    '*://localhost',
    'capacitor:localhost',
    'capacitor:/localhost',
    '://localhost',
    '1app://localhost',
    'app://a b',
    'app://é',
    'file://',
    'file:///',
    'file://localhost',
    'ftp://localhost',
    'ws://localhost',
    'wss://localhost',
    'blob://localhost',
    'data://localhost',
    'about://blank',
    'javascript://localhost',
    'null',
    '*',
  ]
  for (const origin of refused)
    t.match(
      complaints({ ALLOWED_ORIGINS: `https://app.example.org,${origin}` }),
      [/^ {2}ALLOWED_ORIGINS must be exact origins/],
      origin,
    )
})
