import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { openHome } from '../support/home.ts'

t.test('an access token that is first seen while its session is refreshed takes no rotation back', async (t) => {
  const home = await openHome()
  t.teardown(home.close)
  const refresh = (refresh_token: string) => home.call('POST', '/v1/refresh', { body: { refresh_token } })
  let token = (await home.newcomer()).refresh_token
  for (let round = 0; round < 50; round += 1) {
    const { body } = await refresh(token)
    const refreshing = refresh(body.refresh_token)
    for (let turn = 0; turn < round % 10; turn += 1) await setImmediate()
    const seen = await home.call('GET', '/v1/verify', { token: body.access_token })
    const next = await refreshing
    t.same([seen.status, next.status], [204, 200])
    token = next.body.refresh_token
  }
  t.same(
    new Set(home.events('session.refreshed').map(({ how }) => how)),
    new Set(['rotate']),
    'nothing had to be healed',
  )
})
