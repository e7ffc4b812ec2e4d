import { type Client, Refused } from '@latchkey/client'
import { beginTotp, confirmTotp, finishLogin, listFactors, removeTotp, renamePasskey } from '@latchkey/client/factors'
import { addPasskey, finishLoginWithPasskey, loginWithPasskey, stepUpWithPasskey } from '@latchkey/client/passkeys'
import t from 'tap'
import { openDoorstep } from '../support/client-home.ts'
import { appOf } from '../support/factors.ts'
import { openHome } from '../support/home.ts'
import { openPlatform } from '../support/platform.ts'

// Second factors in the package for pages and apps, against the service.

const home = await openHome()
t.teardown(home.close)
const { client: newClient, app } = await openDoorstep(home)

const refusal = async (client: Client, person: { email: string; password: string }) => {
  const error = await client.login(person).catch((thrown: unknown) => thrown)
  if (!(error instanceof Refused)) throw error
  return error.problem
}

t.test('an app is enrolled, and asked for at the next login', async (t) => {
  const { client, person } = await app()
  const { secret, uri } = await beginTotp(client)
  t.ok(uri.includes(secret))
  const { recovery_codes } = await confirmTotp(client, appOf(home, secret).code())
  t.equal(recovery_codes.length, 10)
  t.match(await listFactors(client), { totp: true, recovery_codes_left: 10, passkeys: [] })
  const other = newClient()
  const { challenge = '', factors } = await refusal(other.client, person)
  t.same(factors, ['totp', 'recovery_code'])
  t.equal((await finishLogin(other.client, { challenge, totp: appOf(home, secret).code(1) })).email, person.email)
  t.equal(other.client.getSnapshot().status, 'in')
  await removeTotp(other.client)
})

t.test('a passkey is added, and logs in', async (t) => {
  const platform = openPlatform()
  t.teardown(platform.close)
  const { client, person } = await app()
  t.equal((await addPasskey(client, 'phone')).recovery_codes?.length, 10)
  const [passkey] = (await listFactors(client)).passkeys
  t.match(await renamePasskey(client, `${passkey?.id}`, 'my phone'), { name: 'my phone' })
  await stepUpWithPasskey(client)
  const other = newClient()
  await loginWithPasskey(other.client, { remember: true })
  await finishLoginWithPasskey(other.client, await refusal(other.client, person))
  t.equal(other.client.getSnapshot().status, 'in')
})
