import t from 'tap'
import { CookieJar } from 'tough-cookie'
import { complaints } from '../support/settings.ts'

/** Whether a client that knows every registry keeps a cookie of this domain from there. */
async function isKept(issuer: string, domain: string): Promise<boolean> {
  const cookie = `__Secure-refresh_token=x; Secure; HttpOnly; Path=/; Domain=${domain}`
  return new CookieJar().setCookie(cookie, issuer).then(
    (kept) => kept !== undefined,
    () => false,
  )
}

const isAccepted = (ISSUER: string, COOKIE_DOMAIN: string) => complaints({ ISSUER, COOKIE_DOMAIN }).length === 0

const HOSTS = [
  'example.org',
  'auth.example.org',
  'a.b.auth.example.org',
  'notexample.org',
  'example.org.evil.example',
  'auth.example.co.uk',
  'auth.example.com.au',
  'auth.example.or.kr',
  'auth.example.co.kr',
  'auth.go-example.com',
  'auth.xn--mnchen-3ya.de',
  'auth.company.internal',
  'auth.internal',
  'auth',
  'localhost',
  'auth.example.test',
]

t.test('COOKIE_DOMAIN is taken where a browser keeps a cookie of it, and nowhere else', async (t) => {
  const domains = new Set(
    HOSTS.flatMap((host) => host.split('.').map((_, from, labels) => labels.slice(from).join('.'))),
  )
  let kept = 0
  for (const host of HOSTS) {
    for (const domain of domains) {
      const issuer = `https://${host}`
      const isRight = await isKept(issuer, domain)
      if (isRight) kept += 1
      t.equal(isAccepted(issuer, domain), isRight, `${domain} for ${issuer}`)
    }
  }
  t.ok(kept > 20, `${kept} are kept`)
})

t.test('no country’s commonest registries are taken', async (t) => {
  for (const second of ['co', 'com', 'ne', 'net', 'or', 'org', 'ac', 'go', 'gov', 'edu', 'mil'])
    for (const country of ['uk', 'jp', 'kr', 'au', 'br', 'za', 'nz', 'in', 'cn', 'tr']) {
      const domain = `${second}.${country}`
      if (await isKept(`https://auth.example.${domain}`, domain)) continue // it is none there
      t.notOk(isAccepted(`https://auth.example.${domain}`, domain), domain)
      t.ok(isAccepted(`https://auth.example.${domain}`, `example.${domain}`), `example.${domain}`)
    }
})

t.test('the refusal names both variables, also where ISSUER is the one that is not set', async (t) => {
  for (const env of [{ ISSUER: 'https://auth.example.org' }, { ISSUER: 'https://example.com/auth' }, {}] as Record<
    string,
    string
  >[]) {
    const said = complaints({ ...env, COOKIE_DOMAIN: 'shop.example.org' })
    t.match(said, [/^ {2}COOKIE_DOMAIN must be the host of ISSUER or a domain above it/])
    t.equal(said.length, 1)
    t.notMatch(said.join(), /shop\.example/)
  }
  t.same(complaints({ COOKIE_DOMAIN: 'localhost' }), [])
  for (const [ISSUER, COOKIE_DOMAIN] of [
    ['http://127.0.0.1:3000', '127.0.0.1'],
    ['http://a.localhost:3000', 'localhost'],
    ['http://[::1]:3000', '::1'],
  ] as const)
    t.equal(complaints({ ISSUER, COOKIE_DOMAIN }).length, 1, `${ISSUER}: clients differ`)
  t.same(complaints({ ISSUER: 'https://auth.example.org:8443/tenant', COOKIE_DOMAIN: 'example.org' }), [])
})
