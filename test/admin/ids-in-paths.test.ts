import t from 'tap'
import { openAdminHome } from '../support/admin.ts'
import { mailTo } from '../support/env.ts'
import { keysOf, makeWatched } from '../support/watched-store.ts'

// What stands in a path where an id should: nothing is asked about it, and nothing written down.

const IDS = ['ada@example.org', '{}', 'a}b{c', 'line\nbreak', '\u001B[2J', 'x'.repeat(65)]

t.test('what can be nobody’s id is 404 without a word to the store, and is in no log', async (t) => {
  const watched = makeWatched()
  const home = await openAdminHome(t, mailTo('smtp://127.0.0.1:9'), { store: watched.around })
  const routes = home.adminApp.routes.filter(({ url }) => url.includes('/users/:id'))
  t.ok(routes.length >= 10, 'all of them')
  const asked: string[] = []
  watched.watch = async (command, run) => {
    asked.push(...keysOf(command).filter((key) => IDS.some((id) => key.includes(id))))
    return run()
  }
  for (const id of IDS)
    for (const { method, url } of routes) {
      const body = method === 'PUT' ? { body: {} } : {}
      const answer = await home.admin(method, url.replace(':id', encodeURIComponent(id)), body)
      t.match(answer, { status: 404, body: { code: 'not_found' } }, `${method} ${url} ${JSON.stringify(id)}`)
    }
  t.strictSame(asked, [])
  t.strictSame(new Set(home.events('operator.called').map((event) => event['user_id'])), new Set([null]))
  t.notMatch(JSON.stringify(home.lines), /ada@example|\[2J/)
  watched.watch = null
  await home.admin('GET', '/admin/v1/users/nobody')
  t.match(home.events('operator.called').at(-1), { status: 404, user_id: 'nobody' })
})
