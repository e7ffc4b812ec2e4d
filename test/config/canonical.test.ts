import t from 'tap'
import { readConfig } from '../../src/config/environment.ts'
import { TEST_SECRET } from '../support/env.ts'
import { complaints, namesIn } from '../support/settings.ts'

// What one parser forgives, another takes for something else: an ISSUER in capitals starts here, and no other service
// takes the tokens.

const SECRET = TEST_SECRET

const REFUSED: Record<string, string[]> = {
  HOST: [
    'LocalHost',
    '127.1',
    '0177.0.0.1',
    '127.0.0.01',
    '0x7f000001',
    '::0',
    '0:0:0:0:0:0:0:1',
    'FE80::1',
    '[::1]',
    'münchen.de',
    'a b',
    'localhost:3000',
    'http://localhost',
    'a\nb',
    'a/b',
    'a,b',
  ],
  PORT: ['0080', '+80', '80.0', '8_0', '80\n81', '00'],
  REDIS_URL: [
    'REDIS://localhost',
    'redis://LocalHost',
    'redis://localhost:06379',
    'redis://localhost:+6379',
    'redis://localhost/00',
    'redis://localhost/03',
    'redis://[FD00::1]',
    'redis://[::0]',
    'redis://127.1',
    'redis://localhost\n',
    'redis://local\nhost',
    'redis://localhost ,other',
    'redis://localhost#',
    'redis://localhost?',
  ].filter((url) => url.trim() === url),
  DATA_DIR: ['./da\nta', './da\u0000ta', './da\tta', './data\u007f.'],
  AUTH_SECRET: [`${SECRET} ${SECRET}`, `${SECRET}\n${SECRET}`, SECRET.replace(/.{9}$/, '\n$&'), `${SECRET}==`],
  ISSUER: [
    'https://Auth.example.org',
    'HTTPS://auth.example.org',
    'https://auth.example.org:443',
    'http://auth.example.org:80',
    'https://auth.example.org:0443',
    'https://auth.example.org\n',
    'https://auth.\nexample.org',
    'https://auth.exa\tmple.org',
    'https://user@auth.example.org',
    'https://user:hunter2@auth.example.org',
    'https://:hunter2@auth.example.org',
    'https://@auth.example.org',
    'https:/auth.example.org',
    'https:auth.example.org',
    'https:\\\\auth.example.org',
    'https://auth.example.org/a/../b',
    'https://auth.example.org/./a',
    'https://auth.example.org/a b',
    'https://auth.example.org/é',
    'https://münchen.de',
    'https://auth.example.org//',
    'https://auth.example.org?',
    'https://auth.example.org/a#',
    'https://127.1',
    'https://[::0]',
    'https://[0:0:0:0:0:0:0:1]',
  ].filter((issuer) => issuer.trim() === issuer),
  AUDIENCE: [
    'https://API.example.org',
    'HTTPS://api.example.org',
    'https://api.example.org:443',
    'https://api.\nexample.org',
    'my\napi',
    'мой',
    'api\u200bone',
  ],
  CLIENT_ID: ['first\nparty', 'first\tparty', 'été', 'first\u00a0party'],
  JWT_ALG: ['ES256,RS256', 'ES256\nES256'],
  KEY_ROTATION: ['030d', '00030d', '1_0d', '30\nd', '+30d', '30d30d'],
  EVENTS_KEPT: ['090d', '90 d', '90D', '1y'],
  ACCESS_TTL: ['05m', '5m\n5m', '5 m', '+5m', '٥m', '5M'],
  REFRESH_GRACE: ['00s', '010s', '-0s', '1e1s'],
  SESSION_MAX: ['050', '5e1', '50.', '+50'],
  PASSWORD_MIN_LENGTH: ['015', '0xf', '1_5'],
  BREACHED_PASSWORDS_URL: [
    'https://api.example.org/range',
    'https://API.example.org/range/',
    'https://api.example.org/range/?x=/',
    'https://user:pass@api.example.org/range/',
    'file:///range/',
    'api.example.org/range/',
  ],
  OTEL_EXPORTER_OTLP_ENDPOINT: [
    'http://collector:4318/',
    'HTTP://collector:4318',
    'http://user:pass@collector:4318',
    'http://collector:4318?x=1',
    'grpc://collector:4317',
    'collector:4318',
  ],
  ARGON2_MEMORY_KIB: ['019456', '19_456', '19,456'],
  TRUST_PROXY: [
    '10.0.0.1/8',
    '192.0.2.129/25',
    '10.0.0.0/08',
    'FD00::/8',
    'fd00:0:0::/8',
    'fd00::1/8',
    '2001:db8::8000:0:0:1/65',
    '010.0.0.1',
    '10.1',
    '0:0:0:0:0:0:0:1',
    '::ffff:a00:1',
    '10.0.0.1/32/32',
    '10.0.0.1:80',
    '10.0.0.1\n10.0.0.2',
    '10.0.0.1 10.0.0.2',
    '[::1]',
    '::/0',
  ],
  ALLOWED_ORIGINS: [
    'https://app.example.org:443',
    'http://app.example.org:080',
    'https://app.example.org\nhttps://b.example',
    'https://app.exa\tmple.org',
    'https://münchen.de',
    'https://user@app.example.org',
    'https:/app.example.org',
    'https://127.1',
  ],
  COOKIE_DOMAIN: [
    'Example.org',
    'EXAMPLE.ORG',
    'example.org.',
    'münchen.de',
    'example..org',
    'exam\nple.org',
    'example.org:80',
  ],
  LIMIT_API: ['0600/1m', '600/01m', '600 /1m', '600/1m/1m', '6e2/1m'],
  MAIL_URL: [
    'SMTP://mail.example.org',
    'smtp://Mail.example.org',
    'smtp://mail.example.org:0587',
    'smtp://mail.example.org/',
    'smtp://mail.example.org?',
    'smtp://mail.example.org#',
    'smtp://mail.example.org,other',
    'smtp://mail.exa\nmple.org',
    'smtp://user@mail.example.org',
    'smtp://:hunter2@mail.example.org',
    'smtps://user:@mail.example.org',
    'smtps://user:hun@ter2@mail.example.org',
    'smtps://user:hunter2%zz@mail.example.org',
    'smtps://user:hunter2%ff@mail.example.org',
    'smtps://127.1',
    'smtp://[::0]',
    'smtp+starttls://mail.example.org',
    'file://mails',
    'FILE:mails',
    'file:ma\nils',
    'mailto:ada@example.org',
  ],
  MAIL_FROM: [
    'Ada@example.org',
    'ada',
    'ada@localhost',
    '<ada@example.org>',
    'Ada<ada@example.org>',
    'Ada  Lovelace <ada@Example.org>',
    'Ada <ada@example.org> more',
    'Ada\n <ada@example.org>',
    '"Ada" <ada@example.org>',
    'Ada\u202e <ada@example.org>',
    'a@example.org, b@example.org',
    'a@example.org\nbcc: b@example.org',
  ],
  APP_URL: [
    'http://app.example.org',
    'http://10.0.0.1',
    'http://localhost.example.org',
    'https://App.example.org',
    'https://app.example.org/',
    'https://app.example.org?a',
    'https://app.example.org#a',
    'https://user:hunter2@app.example.org',
    'https://app.example.org:443',
    'https://app.example.org/a b',
    'capacitor://localhost',
  ],
  SERVICE_NAME: ['Latch\nkey', 'Latch\u0007key', 'Latch\u202ekey'],
  MAIL_TEMPLATES: ['./te\nmplates'],
  MAIL_LOCALE: ['../en', 'en/ko', 'en_US', 'en.US', '한국어', 'e\nn'],
  ADMIN_URL: [
    'http://localhost:9300/',
    'http://LOCALHOST:9300',
    'http://ops@localhost:9300',
    'localhost:9300',
    'capacitor://localhost',
  ],
  ADMIN_KEY: [`ops=${SECRET}`, `${SECRET}=`, SECRET.slice(9), `${SECRET}, ${SECRET}`],
  HSTS: [
    'Off',
    'OFF',
    'max-age=-1',
    'max-age=031536000',
    'max-age="31536000"',
    'Max-Age=31536000',
    'max-age=31536000;includeSubDomains',
    'max-age=31536000; includesubdomains',
    'max-age=31536000;',
    'includeSubDomains',
    'max-age=1\r\nset-cookie: a=b',
    'max-age=1\nx: y',
    'max-age=1; includeSubDomains; max-age=2',
    '31536000',
    'on',
    'max-age=99999999999',
  ],
  LOG_LEVEL: ['Info', 'info,debug', '30'],
}

t.test('a setting in any form but its own stops the start, by name and without its value', async (t) => {
  for (const [name, values] of Object.entries(REFUSED)) {
    for (const value of values) {
      const said = complaints({ ISSUER: 'https://auth.example.org', [name]: value })
      t.same(namesIn(said), [name], `${name}=${JSON.stringify(value)}`)
      if (name !== 'HSTS') t.notOk(value.length > 3 && said.join().includes(value), 'the value is not repeated')
      t.notMatch(said.join(), /hunter2/)
    }
  }
})

const ACCEPTED: Record<string, string[]> = {
  HOST: [
    '127.0.0.1',
    '0.0.0.0',
    '::',
    '::1',
    'fe80::1%eth0',
    '::ffff:10.0.0.1',
    'localhost',
    'auth_1',
    'auth-1.internal',
    'xn--mnchen-3ya.de',
  ],
  DATA_DIR: ['./data', '/data', '/data/', '../my data', '/daten/größe'],
  ISSUER: [
    'http://localhost:3000',
    'https://auth.example.org',
    'https://auth.example.org/tenants/1',
    'https://auth.example.org:8443',
    'https://[::1]:8443',
    'https://xn--mnchen-3ya.de',
    'https://auth.example.org/a%20b',
  ],
  AUDIENCE: [
    'api',
    'my api',
    'urn:example:api',
    'https://api.example.org',
    'https://api.example.org/',
    'https://api.example.org/v1?a=b',
  ],
  CLIENT_ID: ['first-party', 'a', 'First Party'],
  APP_URL: [
    'https://app.example.org',
    'https://app.example.org:8443/a/b',
    'https://xn--mnchen-3ya.de',
    'http://localhost:5173',
    'http://127.0.0.1:8080/app',
    'http://[::1]:8080',
  ],
  SERVICE_NAME: ['Latchkey', 'A', '우리 가게', 'Ada & Söhne "1843" 👩‍🚀'],
  MAIL_TEMPLATES: ['./templates', '/etc/우리 메일'],
  MAIL_LOCALE: ['en', 'ko', 'pt-BR'],
  LOG_LEVEL: ['silent'],
  ADMIN_URL: ['http://127.0.0.1:9300', 'https://latchkey.internal', 'http://[::1]:9300'],
  ADMIN_KEY: [SECRET],
  HSTS: ['off', 'max-age=0', 'max-age=63072000', 'max-age=63072000; includeSubDomains; preload'],
}

t.test('a setting in its own form is what it is, and nothing around it counts', async (t) => {
  for (const [name, values] of Object.entries(ACCEPTED)) {
    for (const value of values) {
      for (const given of [value, ` ${value}\n`, `\t${value}\r\n`]) {
        const config = readConfig({ [name]: given }) as Record<string, unknown>
        t.equal(config[name], value, `${name}=${JSON.stringify(given)}`)
      }
    }
  }
  t.match(readConfig({ PORT: ' 80\n', ACCESS_TTL: '60s ', LIMIT_API: '\t5/90s' }), {
    PORT: 80,
    ACCESS_TTL: 60_000,
    LIMIT_API: { count: 5, windowMs: 90_000 },
  })
  const proxies = [
    '10.0.0.0/8',
    '192.0.2.128/25',
    '192.0.2.1/32',
    '::1',
    'fd00::/8',
    '2001:db8:0:0:8000::/65',
    '::1/128',
    '128.0.0.0/1',
  ]
  t.same(readConfig({ TRUST_PROXY: ` ${proxies.join(' ,\n')}\n` }).TRUST_PROXY, proxies)
  t.same(readConfig({ HOST: ' \n', ISSUER: '\t', COOKIE_DOMAIN: ' ' }), readConfig({}), 'a blank one is none')
})

t.test('the refusal of an ISSUER says what is wrong with it', async (t) => {
  const table: [issuer: string, words: RegExp][] = [
    ['auth.example.org', /http or https URL/],
    ['https://user:hunter2@auth.example.org', /without user and password/],
    ['https://auth.example.org/', /trailing slash/],
    ['https://AUTH.example.org', /lower case/],
    ['https://auth.example.org:443', /no default port/],
  ]
  for (const [issuer, words] of table) t.match(complaints({ ISSUER: issuer }).join(), words)
})
