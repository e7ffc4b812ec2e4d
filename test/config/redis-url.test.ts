import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { placeOf, readRedisUrl } from '../../src/config/redis-url.ts'
import { openHome } from '../support/home.ts'
import { startRedis, temporaryFolder } from '../support/redis-process.ts'
import { complaints } from '../support/settings.ts'

t.test('a password with characters that have a meaning in a URL is told from a URL that is none', async (t) => {
  const passwords = [
    'p@ss',
    'p/ss',
    'p:ss',
    'p#ss',
    'p?ss',
    'p%ss',
    'p ss',
    'p[ss',
    'pässw',
    'p\\ss',
    '@',
    '//',
    ':::',
    'a@b@c',
    '#?/@:',
    'p%zz',
    'p%ff',
  ]
  const forms = [
    'redis://:*@h',
    'redis://user:*@h:6379/2',
    'rediss://u:*@h',
    'redis+sentinel://u:*@a,b:26380/main',
    'redis+cluster://:*@a,b',
    'redis+unix://:*@/run/redis.sock?db=1',
  ]
  for (const form of forms) {
    for (const password of passwords) {
      const url = form.replace('*', () => password)
      const [said = '', ...others] = complaints({ REDIS_URL: url })
      t.match(said, /^ {2}REDIS_URL .*percent-encode the password/, url)
      t.same(others, [])
      t.notOk(password.length > 2 && said.includes(password))
      const right = readRedisUrl(form.replace('*', encodeURIComponent(password)))
      t.equal(right?.password, password, `${url}, encoded`)
    }
  }
  for (const url of ['redis://us@er:pw@h', 'redis://us#er@h'])
    t.match(complaints({ REDIS_URL: url }), [/percent-encode/], url)
  const others = [
    'redis://h,other',
    'redis://:pw@h,other',
    'redis://:p@ss@h:port',
    'http://:p@ss@h',
    'redis://:pw@',
    'redis://@',
    'redis:/:p@h',
    'unix:///run/redis.sock',
  ]
  for (const url of others)
    t.match(complaints({ REDIS_URL: url }), [/^ {2}REDIS_URL must be a redis:.* or redis\+unix: URL/], url)
})

t.test('a Unix socket is a path after user and password, with a database behind it', async (t) => {
  const plain = { kind: 'standalone', tls: false, hosts: [], db: 0, name: '' }
  const table: Record<string, object> = {
    'redis+unix:///run/redis.sock': { ...plain, socket: '/run/redis.sock' },
    'redis+unix:///run/redis.sock?db=3': { ...plain, socket: '/run/redis.sock', db: 3 },
    'redis+unix://:p%40ss@/run/redis.sock': { ...plain, socket: '/run/redis.sock', password: 'p@ss' },
    'redis+unix://us%3Aer:pw@/run/my%20redis/1:2.sock?db=0': {
      ...plain,
      socket: '/run/my redis/1:2.sock',
      username: 'us:er',
      password: 'pw',
    },
  }
  for (const [url, address] of Object.entries(table)) t.same(readRedisUrl(url), address, url)
  const refused = [
    'redis+unix://run/redis.sock',
    'redis+unix:/run/redis.sock',
    'redis+unix://',
    'redis+unix:///',
    'redis+unix:///run/',
    'redis+unix:///run//redis.sock',
    'rediss+unix:///run/redis.sock',
    'redis+unix:///run/redis.sock/1?x=1',
    'redis+unix:///run/redis.sock?db=03',
    'redis+unix:///run/redis.sock?db=',
    'redis+unix:///run/redis.sock?db=1&db=2',
    'redis+unix:///run/redis.sock#1',
    'redis+unix:///run/%zz',
    'redis+unix:///run/my redis',
  ]
  for (const url of refused) t.equal(readRedisUrl(url), null, url)
})

t.test('a place is told without user and password', async (t) => {
  const table: Record<string, string> = {
    'redis://user:hunter2@h': 'h:6379',
    'redis+sentinel://:hunter2@a,b:26380/main': 'a:26379,b:26380',
    'redis+unix://user:hunter2@/run/redis.sock?db=3': '/run/redis.sock',
  }
  for (const [url, place] of Object.entries(table)) {
    const address = readRedisUrl(url)
    t.equal(address && placeOf(address), place, url)
  }
})

t.test('the service keeps its sessions in a Redis behind a Unix socket, in the database that is named', async (t) => {
  const dir = await temporaryFolder()
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const socket = join(dir, 'redis.sock')
  const redis = await startRedis({ args: ['--unixsocket', socket, '--requirepass', 'p@ss/:word'] })
  t.teardown(redis.stop)
  const home = await openHome({ REDIS_URL: `redis+unix://:${encodeURIComponent('p@ss/:word')}@${socket}?db=3` })
  t.teardown(home.close)
  const me = await home.newcomer()
  t.match(await home.call('GET', '/v1/verify', { token: me.access_token }), { status: 204 })
  t.match(await home.call('GET', '/readyz'), { status: 200 })
})
