import t from 'tap'
import { isExpired } from '../../src/domain/access-token.ts'
import { deniedUntil, LEEWAY_MS, LONGEST_ACCESS_TTL_MS, MARGIN_MS } from '../../src/domain/revocation.ts'
import { complaints, namesIn } from '../support/settings.ts'

t.test('lifetimes that contradict each other stop the start, and the refusal names both', async (t) => {
  const refused: [env: Record<string, string>, ...lines: string[]][] = [
    [{ ACCESS_TTL: '30m' }, 'ACCESS_TTL must be less than SESSION_IDLE'],
    [{ SESSION_IDLE: '5m' }, 'ACCESS_TTL must be less than SESSION_IDLE'],
    [{ SESSION_IDLE: '4m', ACCESS_TTL: '4m' }, 'ACCESS_TTL must be less than SESSION_IDLE'],
    [
      { SESSION_IDLE: '1h', REMEMBER_IDLE: '1h', ACCESS_TTL: '1h' },
      'ACCESS_TTL must be less than SESSION_IDLE',
      'ACCESS_TTL must be less than REMEMBER_IDLE',
    ],
    [{ ACCESS_TTL: '10s' }, 'REFRESH_GRACE must be less than ACCESS_TTL'],
    [{ REFRESH_GRACE: '5m' }, 'REFRESH_GRACE must be less than ACCESS_TTL'],
    [{ SESSION_IDLE: '86401s' }, 'SESSION_IDLE must be at most SESSION_ABSOLUTE'],
    [{ SESSION_ABSOLUTE: '29m' }, 'SESSION_IDLE must be at most SESSION_ABSOLUTE'],
    [{ REMEMBER_IDLE: '91d' }, 'REMEMBER_IDLE must be at most REMEMBER_ABSOLUTE'],
    [
      { ACCESS_TTL: '31m', REMEMBER_IDLE: '91d' },
      'ACCESS_TTL must be less than SESSION_IDLE',
      'REMEMBER_IDLE must be at most REMEMBER_ABSOLUTE',
    ],
  ]
  for (const [env, ...lines] of refused)
    t.same(
      complaints(env),
      lines.map((line) => `  ${line}`),
      JSON.stringify(env),
    )
  const accepted: Record<string, string>[] = [
    { ACCESS_TTL: '1799999ms' },
    { SESSION_IDLE: '300001ms' },
    { ACCESS_TTL: '10001ms' },
    { REFRESH_GRACE: '299999ms' },
    { SESSION_IDLE: '24h', REMEMBER_IDLE: '24h', REMEMBER_ABSOLUTE: '24h' },
    { REMEMBER_IDLE: '90d' },
    { ACCESS_TTL: '24h', SESSION_IDLE: '86400001ms', SESSION_ABSOLUTE: '2d' },
    { ACCESS_TTL: '1s', REFRESH_GRACE: '0s', SESSION_IDLE: '2s', SESSION_ABSOLUTE: '2s' },
  ]
  for (const env of accepted) t.same(complaints(env), [], JSON.stringify(env))
})

t.test('a setting that is bad by itself is not judged against others', async (t) => {
  const said = complaints({
    SESSION_IDLE: '0s',
    REMEMBER_ABSOLUTE: '4000d',
    REFRESH_GRACE: '05m',
    ISSUER: 'x',
    COOKIE_DOMAIN: 'a.example',
  })
  t.same(namesIn(said), ['ISSUER', 'REFRESH_GRACE', 'SESSION_IDLE', 'REMEMBER_ABSOLUTE'])
})

t.test('an access token lives 24 hours at most', async (t) => {
  const long = { SESSION_IDLE: '30d', SESSION_ABSOLUTE: '30d', REMEMBER_IDLE: '30d' }
  t.same(complaints({ ...long, ACCESS_TTL: '24h' }), [])
  for (const ACCESS_TTL of ['86400001ms', '1441m', '25h', '27h', '2d', '14d']) {
    t.match(complaints({ ...long, ACCESS_TTL }), [/^ {2}ACCESS_TTL must be a duration .* to 24h$/], ACCESS_TTL)
  }
})

t.test(
  'a denial outlives the token, whatever ACCESS_TTL was when it was issued, is now and is after the next restart',
  async (t) => {
    const lifetimes = [1000, 300_000, LONGEST_ACCESS_TTL_MS - 1000, LONGEST_ACCESS_TTL_MS]
    const deniedAt = 1_800_000_000_000
    for (const issuedUnder of lifetimes) {
      const claims = { iat: deniedAt / 1000, exp: (deniedAt + issuedUnder) / 1000 } // issued in the moment of its denial
      for (const deniedUnder of lifetimes) {
        const forgottenAt = deniedUntil(deniedAt, deniedUnder)
        for (const readUnder of lifetimes) {
          const name = `issued under ${issuedUnder}, denied under ${deniedUnder}, read under ${readUnder}`
          t.equal(isExpired(claims, forgottenAt, readUnder), true, name)
        }
      }
    }
    const worst = { iat: deniedAt / 1000, exp: (deniedAt + LONGEST_ACCESS_TTL_MS) / 1000 }
    const diesAt = deniedAt + LONGEST_ACCESS_TTL_MS + LEEWAY_MS
    t.equal(isExpired(worst, diesAt - 1, LONGEST_ACCESS_TTL_MS), false, 'it lives to the last millisecond')
    t.equal(isExpired(worst, diesAt, LONGEST_ACCESS_TTL_MS), true)
    t.equal(
      deniedUntil(deniedAt, 0) - diesAt,
      MARGIN_MS - LONGEST_ACCESS_TTL_MS,
      'and under the shortest lifetime its denial is kept longer',
    )
    t.ok(MARGIN_MS - LONGEST_ACCESS_TTL_MS >= 2 * 3_600_000, 'by two hours by which the clock of the store may be set')
  },
)
