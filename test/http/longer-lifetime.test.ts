import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { LEEWAY_MS } from '../../src/domain/revocation.ts'
import { openHome } from '../support/home.ts'

const DAYS = { SESSION_IDLE: '3d', SESSION_ABSOLUTE: '3d' }
const LONG = { ...DAYS, ACCESS_TTL: '24h' }
const SHORT = { ...DAYS, ACCESS_TTL: '1s', REFRESH_GRACE: '0s' }

t.test(
  'a token of 24 hours stays revoked to its end, though ACCESS_TTL was a second when it was revoked',
  async (t) => {
    const DATA_DIR = await mkdtemp(join(tmpdir(), 'latchkey-lifetime-'))
    t.teardown(() => rm(DATA_DIR, { recursive: true }))
    const before = await openHome({ ...LONG, DATA_DIR })
    const [me, other] = [await before.newcomer(), await before.newcomer()]
    await before.close()

    const meanwhile = await openHome({ ...SHORT, DATA_DIR })
    t.match(await meanwhile.call('POST', '/v1/logout', { token: me.access_token }), { status: 204 })
    await meanwhile.close()

    const after = await openHome({ ...LONG, DATA_DIR })
    t.teardown(after.close)
    const ends = ({ access_token }: { access_token: string }) => {
      const [, payload = ''] = access_token.split('.')
      return JSON.parse(Buffer.from(payload, 'base64url').toString()).exp * 1000 + LEEWAY_MS
    }
    const verify = (token: string) => after.call('GET', '/v1/verify', { token })
    t.match(await verify(me.access_token), { status: 401, body: { code: 'token_revoked' } })
    t.match(await verify(other.access_token), { status: 204 })
    after.clock.now = ends(me) - 1
    t.match(await verify(me.access_token), { status: 401, body: { code: 'token_revoked' } }, 'in its last millisecond')
    after.clock.now = ends(other) - 1
    t.match(await verify(other.access_token), { status: 204 }, 'in which another one lives')
    after.clock.now = Math.max(ends(me), ends(other))
    t.match(await verify(me.access_token), { status: 401, body: { code: 'token_expired' } })
    t.match(await verify(other.access_token), { status: 401, body: { code: 'token_expired' } })
  },
)
