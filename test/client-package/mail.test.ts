import t from 'tap'
import { loseAnswer, openDoorstep, PASSWORD } from '../support/client-home.ts'
import { openMailHome } from '../support/mail-home.ts'

// What a page does with the mails of the service.

const home = await openMailHome(t)
const { client: newClient, app } = await openDoorstep(home)
const NEXT = 'eight blue bicycles in the snow'

t.test('an address is verified by the mail, and the snapshot says so at once', async (t) => {
  const { client, person } = await app()
  const { code } = await home.letterAfter(person.email, async () => {
    t.equal(await client.requestVerification({ locale: 'en' }), 202)
  })
  await t.rejects(client.verifyEmail({ token: 'junk' }), { name: 'Refused', status: 400, code: 'code_invalid' })
  await client.verifyEmail({ code })
  t.match(client.getSnapshot(), { status: 'in', emailVerified: true })
  t.equal(await client.requestVerification({}), 204, 'there is nothing to verify')
})

t.test('a lost password is set anew by the link, which ends all sessions and opens none', async (t) => {
  const { client, person } = await app()
  const outside = newClient()
  const { token } = await home.letterAfter(person.email, () =>
    outside.client.forgotPassword({ email: person.email, locale: 'ko' }),
  )
  outside.line.next('/v1/password/reset', loseAnswer)
  const reset = { token, new_password: NEXT }
  await t.rejects(outside.client.resetPassword(reset), { name: 'Unavailable' })
  await outside.client.resetPassword(reset)
  t.same(outside.client.getSnapshot(), { status: 'unknown' })
  await t.rejects(client.fetch('/v1/me'), { name: 'SessionOver', reason: 'password_reset' })
  await outside.client.login({ email: person.email, password: NEXT })
})

t.test('an address is changed after a step-up; the other sessions end', async (t) => {
  const { client, person, pass } = await app()
  const other = newClient()
  await other.client.login(person)
  pass(310_000)
  const new_email = `new-${person.email}`
  await t.rejects(client.changeEmail({ new_email }), { name: 'Refused', status: 403, code: 'step_up_required' })
  await t.rejects(client.stepUp({ password: NEXT }), { name: 'Refused', code: 'wrong_password' })
  await client.stepUp({ password: PASSWORD })
  const { token } = await home.letterAfter(new_email, () => client.changeEmail({ new_email }))
  await client.confirmEmail({ token })
  t.equal(client.getSnapshot().status, 'in')
  const me = await client.fetch('/v1/me')
  t.match(await me.json(), { email: new_email })
  await t.rejects(other.client.fetch('/v1/me'), { name: 'SessionOver', reason: 'email_changed' })
})
