import createClient from 'openapi-fetch'
import type { paths } from './made/openapi-typescript'
import { APPLES, some, type Walker } from './walk'

/** By openapi-fetch, on the types of openapi-typescript. */
export function openapiTypescript(baseUrl: string): Walker {
  const client = createClient<paths>({ baseUrl })
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
  return {
    register: async (body) => some((await client.POST('/v1/register', { body })).data, 'tokens'),
    readMe: async (token) => some((await client.GET('/v1/me', bearer(token))).data, 'user'),
    refresh: async (refresh_token) =>
      some((await client.POST('/v1/refresh', { body: { refresh_token } })).data, 'tokens'),
    async buy(token) {
      const { response } = await client.GET('/v1/session/data', bearer(token))
      const header = { 'If-Match': some(response.headers.get('etag'), 'etag') }
      return (await client.PATCH('/v1/session/data', { ...bearer(token), params: { header }, body: APPLES })).data
    },
    async logout(token) {
      const { error } = await client.POST('/v1/logout', bearer(token))
      if (error) throw new Error(error.code)
    },
    refusal: async (token) => some((await client.GET('/v1/me', bearer(token))).error, 'problem').code,
  }
}
