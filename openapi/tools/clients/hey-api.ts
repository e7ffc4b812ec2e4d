import { logout, patchSessionData, readMe, readSessionData, refresh, register } from './made/hey-api'
import { client } from './made/hey-api/client.gen'
import { APPLES, some, type Walker } from './walk'

/** By the functions of @hey-api/openapi-ts. */
export function heyApi(baseUrl: string): Walker {
  client.setConfig({ baseUrl })
  return {
    register: async (body) => some((await register({ body })).data, 'tokens'),
    readMe: async (auth) => some((await readMe({ auth })).data, 'user'),
    refresh: async (refresh_token) => some((await refresh({ body: { refresh_token } })).data, 'tokens'),
    async buy(auth) {
      const { response } = await readSessionData({ auth })
      const headers = { 'If-Match': some(response.headers.get('etag'), 'etag') }
      return (await patchSessionData({ auth, headers, body: APPLES })).data
    },
    async logout(auth) {
      await logout({ auth, throwOnError: true })
    },
    refusal: async (auth) => some((await readMe({ auth })).error, 'problem').code,
  }
}
