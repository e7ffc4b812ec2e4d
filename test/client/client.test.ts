import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import createClient from 'openapi-fetch'
import t from 'tap'
import { mailTo } from '../support/env.ts'
import { startService } from '../support/service.ts'
import type { components, paths } from './schema.ts'

// What a TypeScript client gets from the document alone. schema.ts is generated: npm --prefix openapi/tools run types

type Problem = components['schemas']['Problem']
type Tokens = components['schemas']['Tokens']

const credentials = { email: 'ada@example.org', password: 'seven red bicycles in the rain' }

const dir = await mkdtemp(join(tmpdir(), 'latchkey-client-'))
const service = await startService({ DATA_DIR: join(dir, 'data'), ...mailTo(`file:${join(dir, 'mails')}`) })
t.teardown(async () => {
  await service.stop('SIGINT')
  await rm(dir, { recursive: true })
})

/** A client that sends the access token it was last given. */
function openClient() {
  let accessToken: string | undefined
  const client = createClient<paths>({ baseUrl: service.url })
  client.use({
    onRequest({ request }) {
      if (accessToken !== undefined) request.headers.set('authorization', `Bearer ${accessToken}`)
      return request
    },
  })
  const keep = (tokens: Tokens): Tokens => {
    accessToken = tokens.access_token
    return tokens
  }
  return { ...client, keep }
}

/** What an answer brought; throws what it refused. */
function unwrap<Body>({ data, error }: { data?: Body; error?: Problem | undefined }): Body {
  if (error !== undefined) throw new Error(`${error.code}: ${error.title}`)
  return data as Body
}

t.test('a client made from the document walks through a session', async (t) => {
  const client = openClient()
  const first = client.keep(unwrap(await client.POST('/v1/register', { body: credentials })))
  const me = unwrap(await client.GET('/v1/me'))
  t.match(me, { id: first.user?.id, email: credentials.email })

  const next = client.keep(
    unwrap(await client.POST('/v1/refresh', { body: { refresh_token: first.refresh_token as string } })),
  )
  t.equal(next.session_id, first.session_id)

  const etag = (await client.GET('/v1/session/data')).response.headers.get('etag') as string
  const patch = { body: { cart: { 'sku-1': 2 } }, params: { header: { 'If-Match': etag } } }
  t.same(unwrap(await client.PATCH('/v1/session/data', patch)), { cart: { 'sku-1': 2 } })
  const late = await client.PATCH('/v1/session/data', patch)
  t.equal(late.error?.code, 'precondition_failed')

  const other = unwrap(await client.POST('/v1/login', { body: { ...credentials, remember: true } }))
  const { sessions } = unwrap(await client.GET('/v1/sessions'))
  t.same(
    sessions.map(({ id, current, remember }) => ({ id, current, remember })),
    [
      { id: next.session_id, current: true, remember: false },
      { id: other.session_id, current: false, remember: true },
    ],
  )
  const removal = { params: { path: { id: other.session_id } } }
  t.equal((await client.DELETE('/v1/sessions/{id}', removal)).response.status, 204)
  t.equal((await client.DELETE('/v1/sessions/{id}', removal)).error?.code, 'not_found')

  const logout = await client.POST('/v1/logout', { body: { refresh_token: next.refresh_token as string } })
  t.equal(logout.response.status, 204)
  t.equal((await client.GET('/v1/me')).error?.code, 'token_revoked')
})

t.test(
  'a refusal is typed: a client can decide by code, rule and reason, and the compiler knows them all',
  async (t) => {
    const client = openClient()
    const weak = await client.POST('/v1/register', { body: { ...credentials, password: 'latchkey' } })
    t.same(
      weak.error?.errors?.map(({ rule }) => rule),
      ['too_short', 'too_similar'],
    )

    const wrong = await client.POST('/v1/login', { body: { ...credentials, password: 'nine blue umbrellas' } })
    t.equal(adviceFor(wrong.error), 'ask for the password again')
    t.equal(adviceFor((await client.GET('/v1/me')).error), 'log in')

    const tokens = unwrap(await client.POST('/v1/login', { body: credentials }))
    const body = { refresh_token: tokens.refresh_token as string }
    await client.POST('/v1/logout', { body })
    const over = await client.POST('/v1/refresh', { body })
    t.equal(adviceFor(over.error), 'log in')
    t.equal(over.error?.reason, 'logged_out')
  },
)

t.test('a reset takes the token of a mail, or an address and a code, and both compile', async (t) => {
  const client = openClient()
  const new_password = 'nine blue umbrellas on the roof'
  for (const proof of [{ token: 'junk' }, { email: credentials.email, code: '12345678' }]) {
    const reset = await client.POST('/v1/password/reset', { body: { ...proof, new_password } })
    t.equal(reset.error?.code, 'code_invalid')
  }
})

const ADVICE: Partial<Record<Problem['code'], string>> = {
  bad_credentials: 'ask for the password again',
  no_token: 'log in',
  session_over: 'log in',
  // @ts-expect-error: the document has no such code
  no_such_code: 'wonder',
}

function adviceFor(problem: Problem | undefined): string | undefined {
  return problem === undefined ? undefined : ADVICE[problem.code]
}

t.test('what the document does not allow does not compile, and is refused', async (t) => {
  const client = openClient()
  // @ts-expect-error: the password is missing
  const missing = await client.POST('/v1/login', { body: { email: credentials.email } })
  t.match(missing.error, { code: 'bad_request', errors: [{ path: 'password' }] })
  // @ts-expect-error: no such transport
  const transport = await client.POST('/v1/login', { body: { ...credentials, transport: 'url' } })
  t.match(transport.error, { code: 'bad_request', errors: [{ path: 'transport' }] })
  const new_password = 'nine blue umbrellas on the roof'
  // @ts-expect-error: neither a token, nor an address and a code
  const nothing = await client.POST('/v1/password/reset', { body: { email: credentials.email, new_password } })
  t.match(nothing.error, { code: 'bad_request', errors: [{ path: 'code' }] })
  // @ts-expect-error: no such method here
  const method = await client.POST('/v1/me')
  t.equal(method.response.status, 405)
})
