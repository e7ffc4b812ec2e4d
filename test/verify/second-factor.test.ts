import t from 'tap'
import { Refused } from '@latchkey/verify'
import { withApp } from '../support/factors.ts'
import { openHome } from '../support/home.ts'
import { eventually } from '../support/settle.ts'
import { knownOutcomeOf, outcomeOf, verifierAt } from './issuer.ts'

t.test('where a second factor is required, strict tells who has proven none to do so, as no outage', async (t) => {
  const home = await openHome({ SECOND_FACTOR: 'required' })
  t.teardown(home.close)
  const url = await home.app.listen({ host: '127.0.0.1', port: 0 })
  const ISSUER = 'http://localhost:3000'
  const verifier = verifierAt(t, url, { issuer: ISSUER, audience: ISSUER, freshness: 'strict' })
  const me = await home.newcomer()
  t.equal(await knownOutcomeOf(() => verifier.verify(me.access_token)), '401 step_up_required')
  const refusal = () => verifier.verify(me.access_token).catch((error: unknown) => error)
  const refused = await eventually(async () => unlessUnknown(await refusal()), { within: 20_000 })
  t.equal(
    refused.challenge,
    'Bearer realm="latchkey", error="insufficient_user_authentication", acr_values="aal2"',
    'RFC 9470 section 3: what is wanted is a second factor',
  )
  t.equal(await outcomeOf(verifier.verify(me.access_token, { freshness: 'signature' })), 'ok', 'nobody is asked')
  const { access_token } = await withApp(home, me)
  t.equal(await knownOutcomeOf(() => verifier.verify(access_token)), 'ok')
  t.equal(await knownOutcomeOf(() => verifier.verify(me.access_token)), '401 step_up_required', 'a token of before')
})

const unlessUnknown = (error: unknown) => (error instanceof Refused ? error : null)
