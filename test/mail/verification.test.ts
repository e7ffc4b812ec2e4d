import t from 'tap'
import type { Newcomer } from '../support/home.ts'
import { INVALID, isAlive, type MailHome, type MailStories, playOnBothStores } from '../support/mail-home.ts'

// A person shows that mail to the address of the account arrives.

type Caller = Pick<Newcomer, 'access_token'>

const ask = (home: MailHome, { access_token }: Caller, body?: object) =>
  home.call('POST', '/v1/email/verification', { token: access_token, ...(body && { body }) })
const verify = (home: MailHome, { access_token }: Caller, body: object) =>
  home.call('POST', '/v1/email/verify', { token: access_token, body })
const letterFor = (home: MailHome, me: Newcomer) => home.letterAfter(me.email, () => ask(home, me))

function isVerified(token: string): boolean {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  return claims.email_verified === true
}

const STORIES: MailStories = {
  'tokens say it from then on; until then they say nothing of it': async (t, home) => {
    const me = await home.newcomer()
    t.notOk(isVerified(me.access_token))
    const { token } = await letterFor(home, me)
    const done = await verify(home, me, { token })
    t.equal(done.status, 200)
    t.ok(isVerified(done.body.access_token))
    t.equal(done.body.session_id, me.session_id)
    t.strictSame(await isAlive(home, me), [true, true], 'no token of before has died')
    const next = await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })
    t.ok(isVerified(next.body.access_token))
    t.match(home.events('email.verified'), [{ user_id: me.user.id, session_id: me.session_id }])
    t.equal((await ask(home, me)).status, 204, 'there is nothing to ask for any more')
  },

  'the code does it, and the same again is answered the same': async (t, home) => {
    const me = await home.newcomer()
    const { code, token } = await letterFor(home, me)
    for (const proof of [{ code }, { code }, { token }]) {
      const done = await verify(home, me, proof)
      t.equal(done.status, 200)
      t.ok(isVerified(done.body.access_token))
    }
    home.clock.advance(15 * 60_000)
    const later = (await home.call('POST', '/v1/login', { body: { email: me.email, password: me.password } })).body
    t.match(await verify(home, later, { code }), INVALID)
    t.equal(home.events('email.verified').length, 1)
  },

  'whoever clicks a mail of somebody else verifies nothing': async (t, home) => {
    const [squatter, victim] = [await home.newcomer(), await home.newcomer()]
    const { token, code } = await letterFor(home, squatter)
    t.match(await verify(home, victim, { token }), INVALID)
    t.match(await verify(home, victim, { code }), INVALID)
    t.match(await home.call('POST', '/v1/email/verify', { body: { token } }), {
      status: 401,
      body: { code: 'no_token' },
    })
    t.equal((await ask(home, squatter)).status, 202, 'it is not verified')
    t.equal((await ask(home, victim)).status, 202)
  },

  'fifty at once are one verification': async (t, home) => {
    const me = await home.newcomer()
    const { token, code } = await letterFor(home, me)
    const proofs = Array.from({ length: 50 }, (_, turn) => (turn % 2 === 0 ? { token } : { code }))
    const answers = await Promise.all(proofs.map((proof) => verify(home, me, proof)))
    t.ok(answers.every(({ status }) => status === 200))
    t.equal(home.events('email.verified').length, 1)
  },

  'the secret dies with a change of the password': async (t, home) => {
    const me = await home.newcomer()
    const { token, code } = await letterFor(home, me)
    const body = { current_password: me.password, new_password: 'nine blue umbrellas on the roof' }
    const changed = (await home.call('POST', '/v1/password', { token: me.access_token, body })).body
    t.match(await verify(home, changed, { token }), INVALID)
    t.match(await verify(home, changed, { code }), INVALID)
  },

  'a mail is in the language that is asked for, and in English where there is no such': async (t, home) => {
    const me = await home.newcomer()
    const subjects: string[] = []
    for (const locale of ['ko', 'ko-KR', 'en', 'xx', '../../x', undefined]) {
      const { subject } = await home.letterAfter(me.email, () => ask(home, me, { locale }))
      subjects.push(subject)
    }
    t.match(subjects[0], /[가-힣]/)
    t.equal(subjects[1], subjects[0])
    t.strictSame(new Set(subjects.slice(2)).size, 1)
    t.notMatch(subjects[2], /[가-힣]/)
  },

  'what is not asked right is 400 with the field': async (t, home) => {
    const me = await home.newcomer()
    for (const body of [
      {},
      { token: 'x', code: '1' },
      { token: 1 },
      { code: null },
      { token: 'x'.repeat(513) },
      [],
      'x',
    ])
      t.match(await verify(home, me, body as object), { status: 400, body: { code: 'bad_request' } })
    t.match(await ask(home, me, { locale: 5 }), { status: 400, body: { code: 'bad_request' } })
    t.match(await verify(home, me, { token: 'x' }), INVALID)
  },
}

await playOnBothStores(t, STORIES)
