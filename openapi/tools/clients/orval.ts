import { logout, patchSessionData, readMe, readSessionData, refresh, register } from './made/orval'
import { APPLES, type Walker } from './walk'

/** By the functions of orval, on fetch. */
export function orval(): Walker {
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
  return {
    async register(credentials) {
      const { status, data } = await register(credentials)
      if (status !== 201) throw new Error(data.code)
      return data
    },
    async readMe(token) {
      const { status, data } = await readMe(bearer(token))
      if (status !== 200) throw new Error(data.code)
      return data
    },
    async refresh(refresh_token) {
      const { status, data } = await refresh({ refresh_token })
      if (status !== 200) throw new Error(data.code)
      return data
    },
    async buy(token) {
      const { headers } = await readSessionData(bearer(token))
      const match = { 'If-Match': headers.get('etag') ?? '' }
      return (await patchSessionData(APPLES, { headers: { ...bearer(token).headers, ...match } })).data
    },
    async logout(token) {
      const { status } = await logout({}, bearer(token))
      if (status !== 204) throw new Error(`${status}`)
    },
    async refusal(token) {
      const { status, data } = await readMe(bearer(token))
      return status === 401 ? data.code : `${status}`
    },
  }
}
