import { Api, type HttpResponse, type Problem } from './made/swagger-typescript-api'
import { APPLES, type Walker } from './walk'

/** By the class of swagger-typescript-api. */
export function swaggerTypescriptApi(baseUrl: string): Walker {
  const securityWorker = (token: string | null) => ({ headers: { authorization: `Bearer ${token}` } })
  const { v1, setSecurityData } = new Api<string>({ baseUrl, securityWorker })
  return {
    register: async (credentials) => (await v1.register(credentials)).data,
    async readMe(token) {
      setSecurityData(token)
      return (await v1.readMe()).data
    },
    refresh: async (refresh_token) => (await v1.refresh({ refresh_token })).data,
    async buy(token) {
      setSecurityData(token)
      const { headers } = await v1.readSessionData()
      const match = { 'If-Match': headers.get('etag') ?? '' }
      return (await v1.patchSessionData(APPLES, { headers: match })).data
    },
    async logout(token) {
      setSecurityData(token)
      await v1.logout({})
    },
    async refusal(token) {
      setSecurityData(token)
      const refused = await v1.readMe().catch((answer: HttpResponse<unknown, Problem>) => answer)
      return refused.error?.code ?? 'none'
    },
  }
}
