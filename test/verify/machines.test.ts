import t from 'tap'
import { openAdminHome } from '../support/admin.ts'
import { addClient, tokenOf } from '../support/oauth.ts'
import { knownOutcomeOf, outcomeOf, verifierAt } from './issuer.ts'

// Programs that act for themselves, at the services that they are for.

const OWN = 'http://localhost:3000'
const REPORTS = 'https://reports.example.org'
const SCOPE = 'reports:read reports:write'

const home = await openAdminHome(t)
const url = await home.app.listen({ host: '127.0.0.1', port: 0 })
const at = (audience: string, freshness: 'signature' | 'strict') =>
  verifierAt(t, url, { issuer: OWN, audience, freshness, clock: () => home.clock.now })

t.test('a program gets in where its token is for, with what it may do, and nowhere once it is stopped', async (t) => {
  const client = await addClient(home, { scopes: SCOPE.split(' '), audiences: [OWN, REPORTS] })
  const id = client.client_id
  const [reports, own] = [at(REPORTS, 'strict'), at(OWN, 'signature')]
  const both = await tokenOf(home, client, {})
  t.match(await own.verify(both), { sub: id, sid: undefined, roles: [], acr: undefined, scope: SCOPE.split(' ') })
  t.equal(await knownOutcomeOf(() => reports.verify(both, { scope: 'reports:read' })), 'ok')
  t.equal(await knownOutcomeOf(() => reports.verify(both, { scope: 'reports:delete' })), '403 insufficient')
  for (const requirements of [{ roles: 'editor' }, { acr: 'aal1' as const }, { maxAge: 300 }])
    t.match(await outcomeOf(own.verify(both, requirements)), /^40[13] /, 'of a person, of which it is none')

  const narrow = await tokenOf(home, client, { resource: REPORTS, scope: 'reports:read' })
  t.equal(await outcomeOf(own.verify(narrow)), '401 token_invalid')
  t.equal(await outcomeOf(reports.verify(narrow, { freshness: 'signature' })), 'ok')
  t.equal(
    await knownOutcomeOf(() => reports.verify(narrow)),
    '401 token_invalid',
    'of which /v1/verify does not say more',
  )

  await home.admin('PUT', `/admin/v1/clients/${id}/disabled`, { body: {} })
  t.equal(await knownOutcomeOf(() => reports.verify(both)), '401 token_revoked')
})
