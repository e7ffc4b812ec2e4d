import { Agent, request as httpRequest } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Newcomer } from '../support/home.ts'
import { CHEAP, codeOf, countBy, folder, PASSWORD, redisEnv, register, start, type Tokens } from '../support/life.ts'
import type { Service } from '../support/service.ts'

// Instances are replaced one after the other while clients ask a balancer that knows nothing of it.

/** What the instances say of the requests they have failed. */
function failuresIn(services: readonly Service[]): string[] {
  const lines = services.flatMap((service) => service.lines().filter((line) => line.includes('request failed')))
  return lines.map(
    (line) =>
      `${JSON.parse(line).time} ${JSON.stringify(JSON.parse(line).err.cause?.message ?? JSON.parse(line).err.message)}`,
  )
}

type Reply = { readonly status: number; readonly body: any }

/** A plain round robin over ports, which knows nothing of health and asks the next one once when a connection fails. */
function roundRobin(ports: readonly number[]) {
  const agents = ports.map(() => new Agent({ keepAlive: true }))
  let turn = 0
  let retries = 0

  function send(
    index: number,
    method: string,
    path: string,
    { token, body }: { token?: string; body?: unknown },
  ): Promise<Reply> {
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    return new Promise((resolve, reject) => {
      const sent = httpRequest(
        { port: ports[index], method, path, headers, agent: agents[index] as Agent },
        (answer) => {
          let text = ''
          answer.on('data', (chunk: Buffer) => (text += chunk.toString()))
          answer.on('end', () =>
            resolve({ status: answer.statusCode ?? 0, body: text === '' ? null : JSON.parse(text) }),
          )
          answer.on('error', reject)
        },
      )
      sent.on('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  return {
    async call(method: string, path: string, what: { token?: string; body?: unknown } = {}): Promise<Reply> {
      const index = turn++ % ports.length
      return send(index, method, path, what).catch(() => {
        retries += 1
        return send((index + 1) % ports.length, method, path, what)
      })
    },
    retries: () => retries,
    close: () => agents.forEach((agent) => agent.destroy()),
  }
}

t.test('a rolling restart of three', { jobs: 2 }, async (t) => {
  const on = (store: 'Redis' | 'LMDB') =>
    t.test(`on one ${store} loses no request of clients who try twice`, { buffered: true }, async (t) => {
      const env = store === 'Redis' ? await redisEnv(t) : { DATA_DIR: await folder(t) }
      const fleet = await Promise.all([1, 2, 3].map(() => start(t, env, CHEAP)))
      const balancer = roundRobin(fleet.map(({ port }) => port))
      t.teardown(balancer.close)
      const unwanted: string[] = []
      const restarted: Service[] = []
      let answers = 0
      const over = new AbortController()

      async function ask(
        method: string,
        path: string,
        what: { token?: string; body?: unknown },
        wanted: number,
      ): Promise<any> {
        const reply = await balancer
          .call(method, path, what)
          .catch((error: unknown) => ({ status: codeOf(error), body: {} }))
        answers += 1
        if (reply.status !== wanted) unwanted.push(`${method} ${path}: ${reply.status} ${reply.body?.code ?? ''}`)
        return reply.body
      }

      /** A client that refreshes, calls and keeps a counter in its session; each change it was told of must be there. */
      async function client(me: Newcomer): Promise<void> {
        let tokens: Tokens = me
        for (let visits = 1; !over.signal.aborted; visits += 1) {
          await ask('GET', '/v1/verify', { token: tokens.access_token }, 204)
          const data = await ask('PATCH', '/v1/session/data', { token: tokens.access_token, body: { visits } }, 200)
          if (data.visits !== undefined && data.visits !== visits)
            unwanted.push(`visits: ${data.visits} instead of ${visits}`)
          const next = await ask('POST', '/v1/refresh', { body: { refresh_token: tokens.refresh_token } }, 200)
          if (next?.refresh_token) tokens = next
          await sleep(10)
        }
      }

      async function visitors(email: string): Promise<void> {
        while (!over.signal.aborted) {
          const { access_token } = await ask('POST', '/v1/login', { body: { email, password: PASSWORD } }, 200)
          await ask('POST', '/v1/logout', { token: access_token, body: {} }, 204)
          await ask('GET', '/v1/verify', { token: access_token }, 401)
          await sleep(10)
        }
      }

      const people = await Promise.all(Array.from({ length: 8 }, (_, turn) => register(fleet[turn % 3] as Service)))
      const load = [...people.map(client), visitors(people[0]?.email ?? '')]
      for (const service of fleet) {
        t.equal(await service.stop('SIGTERM'), 0)
        restarted.push(await start(t, { ...env, PORT: String(service.port) }, CHEAP))
      }
      over.abort()
      await Promise.all(load)
      for (const failure of failuresIn([...fleet, ...restarted])) t.comment(failure)
      t.strictSame([...countBy(unwanted)], [], `of ${answers} answers, with ${balancer.retries()} second tries`)
      t.ok(answers > 500)
      t.ok(balancer.retries() > 0, 'the restart was felt, or this shows nothing')
    })
  await Promise.all([on('Redis'), on('LMDB')])
})
