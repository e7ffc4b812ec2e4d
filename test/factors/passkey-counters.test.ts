import t from 'tap'
import { FLAGS } from '../support/authenticator.ts'
import { firstStep, passkeyLogin, secondStep, withPasskey } from '../support/factors.ts'
import { openHome } from '../support/home.ts'

// What an authenticator tells of itself: how often it was used, and whether it is kept elsewhere.

const home = await openHome()
t.teardown(home.close)
const { call } = home

const REFUSED = { status: 401, body: { code: 'bad_credentials' } }
const falls = (userId: string) => home.events('passkey.counter_fell').filter(({ user_id }) => user_id === userId)
const list = async (token: string) => (await call('GET', '/v1/factors', { token })).body.passkeys

t.test('a passkey of one device whose counter falls may be a copy: it is refused, and the owner sees it', async (t) => {
  const { passkey, passkeyId, user, access_token: token, ...me } = await withPasskey(home)
  passkey.counter = 41
  t.equal((await passkeyLogin(home, passkey)).status, 200)
  for (const before of [41, 0, -1]) {
    passkey.counter = before
    t.match(await passkeyLogin(home, passkey), REFUSED, `42, then ${before + 1}`)
  }
  t.equal(falls(user.id).length, 3)
  passkey.counter = 41
  const asked = await firstStep(home, { email: me.email, password: me.password })
  t.match(await secondStep(home, asked['challenge'], { passkey: passkey.assert(asked['public_key']) }), REFUSED)
  t.equal(falls(user.id).length, 4)
  for (const fall of falls(user.id)) t.match(fall, { passkey_id: passkeyId, refused: true })
  const { events } = (await call('GET', '/v1/me/events', { token })).body
  t.ok(events.some(({ event }: { event: string }) => event === 'passkey.counter_fell'))
  t.equal((await passkeyLogin(home, passkey)).status, 200, 'the one that counts on is let in')
})

t.test('a synced passkey whose counter falls is let in: it is on several devices, and this is told', async (t) => {
  const { passkey, passkeyId, user } = await withPasskey(home, { synced: true })
  passkey.counter = 41
  t.equal((await passkeyLogin(home, passkey)).status, 200)
  t.strictSame(falls(user.id), [])
  passkey.counter = 7
  t.equal((await passkeyLogin(home, passkey)).status, 200)
  t.match(falls(user.id), [{ passkey_id: passkeyId, refused: false }])
})

t.test('a passkey that does not count is let in as often as one likes', async (t) => {
  const { passkey, user } = await withPasskey(home, { counts: false })
  for (let turn = 0; turn < 3; turn += 1) t.equal((await passkeyLogin(home, passkey)).status, 200)
  t.strictSame(falls(user.id), [])
})

t.test('a forged signature moves no counter and tells of no copy', async (t) => {
  const { passkey, user } = await withPasskey(home)
  const stranger = await withPasskey(home)
  stranger.passkey.counter = 1000
  const named = { userHandle: Buffer.from(user.id).toString('base64url') }
  t.match(await passkeyLogin(home, stranger.passkey, named), REFUSED)
  passkey.counter = 5
  t.match(await passkeyLogin(home, passkey, { origin: 'https://evil.example' }), REFUSED)
  passkey.counter = 0
  t.equal((await passkeyLogin(home, passkey)).status, 200)
  t.strictSame(falls(user.id), [])
})

t.test('whether a passkey is kept beyond its device is shown as it was told at its last use', async (t) => {
  const { passkey, access_token: token } = await withPasskey(home, { synced: true })
  t.match(await list(token), [{ backed_up: true, last_used_at: null }])
  passkey.backedUp = false
  await passkeyLogin(home, passkey)
  t.match(await list(token), [{ backed_up: false, last_used_at: new Date(home.clock.now).toISOString() }])
  passkey.backedUp = true
  await passkeyLogin(home, passkey)
  t.match(await list(token), [{ backed_up: true }])
  const alone = await withPasskey(home)
  t.match(await list(alone.access_token), [{ backed_up: false }])
})

t.test('a passkey of one device does not become another kind by what it says', async (t) => {
  const { passkey } = await withPasskey(home)
  const present = FLAGS.UP | FLAGS.UV
  t.match(await passkeyLogin(home, passkey, { flags: present | FLAGS.BS }), REFUSED, 'kept elsewhere, and bound here')
  t.equal((await passkeyLogin(home, passkey)).status, 200)
  passkey.counter = 0
  t.match(await passkeyLogin(home, passkey, { flags: present | FLAGS.BE | FLAGS.BS }), REFUSED)
})
