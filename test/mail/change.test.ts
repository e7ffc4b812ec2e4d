import t from 'tap'
import type { Newcomer } from '../support/home.ts'
import { INVALID, isAlive, login, type MailHome, type MailStories, playOnBothStores } from '../support/mail-home.ts'

// A person changes the address of the account.

const MINUTE = 60_000

type Caller = Pick<Newcomer, 'access_token'>

let addresses = 0
const newAddress = () => `change-${process.pid}-${(addresses += 1)}@example.org`
const ask = (home: MailHome, { access_token }: Caller, new_email: string) =>
  home.call('POST', '/v1/email/change', { token: access_token, body: { new_email } })
const confirm = (home: MailHome, { access_token }: Caller, body: object) =>
  home.call('POST', '/v1/email/change/confirm', { token: access_token, body })
const letterAt = (home: MailHome, me: Caller, email: string) => home.letterAfter(email, () => ask(home, me, email))

const STORIES: MailStories = {
  'the new address logs in, the old one does not; this session goes on, the others end': async (t, home) => {
    const me = await home.newcomer()
    const other = { ...me, ...(await login(home, me.email, me.password)).body }
    const next = newAddress()
    const { token } = await letterAt(home, me, next)
    t.equal((await login(home, next, me.password)).status, 401, 'asking changes nothing')
    const done = await confirm(home, me, { token })
    t.match(done, { status: 200, body: { session_id: me.session_id } })
    t.strictSame(await isAlive(home, me), [true, true])
    t.match(await home.call('POST', '/v1/refresh', { body: { refresh_token: other.refresh_token } }), {
      status: 401,
      body: { code: 'session_over', reason: 'email_changed' },
    })
    t.match(await home.call('GET', '/v1/verify', { token: other.access_token }), { status: 401 })
    t.equal((await login(home, me.email, me.password)).status, 401)
    t.match(await login(home, next, me.password), { status: 200, body: { user: { id: me.user.id, email: next } } })
    const again = await home.call('POST', '/v1/register', { body: { email: me.email, password: me.password } })
    t.equal(again.status, 201, 'the old address is free')
    t.match(home.events('email.changed'), [{ user_id: me.user.id, session_id: me.session_id }])
    t.equal((await home.mailsTo(me.email, 2)).length, 2, 'the old address has heard of both')
  },

  'whoever lost the answer sends the same again': async (t, home) => {
    const me = await home.newcomer()
    const { token, code } = await letterAt(home, me, newAddress())
    for (const proof of [{ token }, { token }, { code }]) t.equal((await confirm(home, me, proof)).status, 200)
    t.equal(home.events('email.changed').length, 1)
    home.clock.advance(15 * MINUTE)
    const later = (await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })).body
    t.match(await confirm(home, later, { token }), INVALID)
  },

  'a stolen access token of an old login cannot begin it; the password makes it fresh': async (t, home) => {
    const me = await home.newcomer()
    home.clock.advance(6 * MINUTE)
    const session = (await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })).body
    t.match(await ask(home, session, newAddress()), {
      status: 403,
      body: { code: 'step_up_required', max_age: 300, factors: [] },
    })
    const wrong = { token: session.access_token, body: { password: 'not the password at all' } }
    t.match(await home.call('POST', '/v1/step-up', wrong), { status: 403, body: { code: 'wrong_password' } })
    const right = { token: session.access_token, body: { password: me.password } }
    const stepped = await home.call('POST', '/v1/step-up', right)
    t.match(stepped, { status: 200, body: { session_id: me.session_id, refresh_token: session.refresh_token } })
    t.equal((await ask(home, stepped.body, newAddress())).status, 202)
    t.equal((await ask(home, session, newAddress())).status, 403, 'the token of before says when it was')
    const next = await home.call('POST', '/v1/refresh', { body: { refresh_token: session.refresh_token } })
    t.equal((await ask(home, next.body, newAddress())).status, 202, 'a refresh keeps what was proven')
    home.clock.advance(6 * MINUTE)
    const later = await home.call('POST', '/v1/refresh', { body: { refresh_token: next.body.refresh_token } })
    t.equal((await ask(home, later.body, newAddress())).status, 403, 'and does not renew it')
  },

  'an address that is taken: the answer is the same, its owner is told, without a secret': async (t, home) => {
    const [me, owner] = [await home.newcomer(), await home.newcomer()]
    t.equal((await ask(home, me, owner.email)).status, 202)
    const [told] = await home.mailsTo(owner.email, 1)
    t.notMatch(told?.text, /#token=|^\s*\d{8}\s*$/m)
    t.equal(home.lettersTo(owner.email).length, 0)
  },

  'of two people who confirm one address at once one has it': async (t, home) => {
    const people = [await home.newcomer(), await home.newcomer()] as const
    const wanted = newAddress()
    const tokens = [(await letterAt(home, people[0], wanted)).token, (await letterAt(home, people[1], wanted)).token]
    const answers = await Promise.all(people.map((me, turn) => confirm(home, me, { token: tokens[turn] })))
    t.strictSame(
      answers.map(({ status }) => status).toSorted((a, b) => a - b),
      [200, 409],
    )
    t.match(answers.find(({ status }) => status === 409)?.body, { code: 'email_taken' })
    const winner = answers.findIndex(({ status }) => status === 200)
    const came = await login(home, wanted, people[0].password)
    t.match(came, { status: 200, body: { user: { id: people[winner]?.user.id } } })
    const loser = people[1 - winner] as Newcomer
    t.equal((await login(home, loser.email, loser.password)).status, 200, 'the other still has its own')
  },

  'a registration and a change of address to one address at once: one of them has it': async (t, home) => {
    for (let turn = 0; turn < 5; turn += 1) {
      const me = await home.newcomer()
      const wanted = newAddress()
      const { token } = await letterAt(home, me, wanted)
      const [changed, registered] = await Promise.all([
        confirm(home, me, { token }),
        home.call('POST', '/v1/register', { body: { email: wanted, password: me.password } }),
      ])
      const seen = `${changed.status}, ${registered.status}`
      t.ok(['200, 409', '409, 201'].includes(seen), seen)
      const came = await login(home, wanted, me.password)
      t.equal(came.body.user.id, changed.status === 200 ? me.user.id : registered.body.user.id)
    }
  },

  'fifty confirmations at once are one change': async (t, home) => {
    const me = await home.newcomer()
    const { token } = await letterAt(home, me, newAddress())
    const answers = await Promise.all(Array.from({ length: 50 }, () => confirm(home, me, { token })))
    t.strictSame([...new Set(answers.map(({ status }) => status))], [200])
    t.equal(home.events('email.changed').length, 1)
  },

  'the secrets of before die with it: a reset that was mailed to the old address opens nothing': async (t, home) => {
    const me = await home.newcomer()
    const old = await home.forgot(me.email)
    const wanted = newAddress()
    const { token } = await letterAt(home, me, wanted)
    t.equal((await confirm(home, me, { token })).status, 200)
    const body = { token: old.token, new_password: 'nine blue umbrellas on the roof' }
    t.match(await home.call('POST', '/v1/password/reset', { body }), INVALID)
    const byCode = { email: wanted, code: old.code, new_password: body.new_password }
    t.match(await home.call('POST', '/v1/password/reset', { body: byCode }), INVALID)
  },

  'a mail for another address supersedes the one of before': async (t, home) => {
    const me = await home.newcomer()
    const [first, second] = [newAddress(), newAddress()]
    const { token } = await letterAt(home, me, first)
    const next = await letterAt(home, me, second)
    t.match(await confirm(home, me, { token }), INVALID)
    t.equal((await confirm(home, me, { token: next.token })).status, 200)
    t.equal((await login(home, second, me.password)).status, 200)
  },

  'a person may change back': async (t, home) => {
    const me = await home.newcomer()
    const wanted = newAddress()
    t.equal((await confirm(home, me, { token: (await letterAt(home, me, wanted)).token })).status, 200)
    t.equal((await confirm(home, me, { token: (await letterAt(home, me, me.email)).token })).status, 200)
    t.equal((await login(home, me.email, me.password)).status, 200)
    t.equal((await login(home, wanted, me.password)).status, 401)
  },
}

await playOnBothStores(t, STORIES)
