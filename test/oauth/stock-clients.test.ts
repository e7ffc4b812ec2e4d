import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import t, { type Test } from 'tap'
import { type AdminHome, openAdminHome } from '../support/admin.ts'
import { freePort } from '../support/free-port.ts'
import { addClient, type ClientSecret } from '../support/oauth.ts'

// OAuth clients that know nothing of us, over HTTP: they discover the service, get tokens, ask about them and revoke them.

const OTHER = 'https://reports.example.org'
const port = await freePort()
const ISSUER = `http://127.0.0.1:${port}`
/** Its tokens outlive the tests before these: the clients go by the time of the machine. */
const home = await openAdminHome(t, { ISSUER, ACCESS_TTL: '1h', SESSION_IDLE: '2h' })
await home.app.listen({ host: '127.0.0.1', port })
const client = await addClient(home, { scopes: ['orders:read', 'orders:write'], audiences: [ISSUER, OTHER] })
const rotated = (await home.admin('POST', `/admin/v1/clients/${client.client_id}/secret`)).body as ClientSecret

const verify = async (token: string, at: AdminHome = home) => (await at.call('GET', '/v1/verify', { token })).status

const options = { [oauth.allowInsecureRequests]: true }

async function readMetadata(): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(ISSUER)
  const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...options })
  return oauth.processDiscoveryResponse(issuer, found)
}

const faultOf = (asking: Promise<unknown>) => asking.catch((error: unknown) => error)

t.test('oauth4webapi discovers the service, and acts for itself by either of two secrets', async (t) => {
  const server = await readMetadata()
  t.match(server, { grant_types_supported: ['client_credentials', 'refresh_token'], jwks_uri: /jwks\.json$/ })
  const self: oauth.Client = { client_id: client.client_id }
  for (const { client_secret } of [client, rotated]) {
    const auth = oauth.ClientSecretBasic(client_secret)
    const wish = new URLSearchParams({ scope: 'orders:read', resource: ISSUER })
    const response = await oauth.clientCredentialsGrantRequest(server, self, auth, wish, options)
    const { access_token: token, scope } = await oauth.processClientCredentialsResponse(server, self, response)
    t.equal(scope, 'orders:read')
    const introspect = async () =>
      oauth.processIntrospectionResponse(
        server,
        self,
        await oauth.introspectionRequest(server, self, auth, token, options),
      )
    t.match(await introspect(), { active: true, client_id: client.client_id, scope: 'orders:read', aud: ISSUER })
    t.equal(await verify(token), 204)
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, self, auth, token, options))
    t.strictSame(await introspect(), { active: false })
    t.equal(await verify(token), 401)
  }
})

t.test('oauth4webapi validates an access token by our keys, RFC 9068', async (t) => {
  const server = await readMetadata()
  const me = await home.newcomer()
  const request = new Request('https://api.example.org/', { headers: { authorization: `Bearer ${me.access_token}` } })
  const claims = await oauth.validateJwtAccessToken(server, request, ISSUER, options)
  t.match(claims, { sub: me.user.id, sid: me.session_id })
})

t.test('oauth4webapi refreshes a session as a public client, and hears why it is over', async (t) => {
  const server = await readMetadata()
  const me = await home.newcomer()
  const self: oauth.Client = { client_id: 'first-party' }
  const refresh = async (token: string) =>
    oauth.processRefreshTokenResponse(
      server,
      self,
      await oauth.refreshTokenGrantRequest(server, self, oauth.None(), token, options),
    )
  const next = await refresh(me.refresh_token)
  t.equal(await verify(next.access_token), 204)
  const last = await refresh(next.refresh_token as string)
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(server, self, oauth.None(), last.refresh_token as string, options),
  )
  t.equal(await verify(last.access_token), 401)
  t.match(await faultOf(refresh(last.refresh_token as string)), {
    error: 'invalid_grant',
    error_description: 'session_over: logged_out',
    status: 400,
  })
})

/** A client of openid-client that has discovered the service. */
async function discover(clientId: string, auth: openid.ClientAuth): Promise<openid.Configuration> {
  const options = { algorithm: 'oauth2' as const, execute: [openid.allowInsecureRequests] }
  return openid.discovery(new URL(ISSUER), clientId, undefined, auth, options)
}

t.test('openid-client gets a token, asks about it, revokes it; and refreshes a session', async (t: Test) => {
  const machine = await discover(client.client_id, openid.ClientSecretBasic(client.client_secret))
  const { access_token: token } = await openid.clientCredentialsGrant(machine, { resource: ISSUER })
  t.match(await openid.tokenIntrospection(machine, token), { active: true, sub: client.client_id })
  await openid.tokenRevocation(machine, token)
  t.match(await openid.tokenIntrospection(machine, token), { active: false })
  t.match(await faultOf(openid.clientCredentialsGrant(machine, { scope: 'admin' })), { error: 'invalid_scope' })
  const wrong = await discover(client.client_id, openid.ClientSecretBasic(`${client.client_secret}~!*'() +`))
  t.match(await faultOf(openid.clientCredentialsGrant(wrong)), { cause: [{ scheme: 'basic' }] })

  const me = await home.newcomer()
  const app = await discover('first-party', openid.None())
  const next = await openid.refreshTokenGrant(app, me.refresh_token)
  t.match(await openid.tokenIntrospection(machine, next.access_token), { active: true, sub: me.user.id })
  await openid.tokenRevocation(app, next.refresh_token as string)
  t.match(await openid.tokenIntrospection(machine, next.access_token), { active: false })
})
