import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isFromAllowedSite } from '../../src/domain/cross-site.ts'
import { refuse, sendJson } from './answers.ts'
import type { Instance } from './instances.ts'
import { readMails } from './mails.ts'
import { sendPage } from './page.ts'
import { makeRoundRobin } from './round-robin.ts'

const PASSED_ON = /^\/(v1\/|openapi\.json$|\.well-known\/jwks\.json$)/
const COMMAND = /^\/demo\/instances\/(\w+)\/(kill|start)$/

/**
 * The server in front: the page at `/`, the instances behind round robin, and under `/demo` the demo's own buttons, and what is in
 * its folder of mails.
 */
export function makeFront(port: number, instances: readonly Instance[], mails: string): Server {
  const passOn = makeRoundRobin(instances)
  const own = `http://localhost:${port}`
  const hosts = new Set([`localhost:${port}`, `127.0.0.1:${port}`])

  async function answer(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    // A name that somebody else has pointed at this machine is not ours.
    if (!hosts.has(request.headers.host ?? '')) return refuse(reply, 421, 'bad_request')
    const [path = '/'] = (request.url ?? '/').split('?')
    if (PASSED_ON.test(path)) return passOn(request, reply)
    if (path.startsWith('/demo/')) return control(request, path, reply)
    if (request.method !== 'GET') return refuse(reply, 405, 'method_not_allowed', { allow: 'GET' })
    return sendPage(reply, path)
  }

  async function control(request: IncomingMessage, path: string, reply: ServerResponse): Promise<void> {
    if (path === '/demo/mails' && request.method === 'GET')
      return sendJson(reply, 200, { mails: await readMails(mails) })
    const [, name, verb] = COMMAND.exec(path) ?? []
    if (verb !== undefined && request.method === 'POST') {
      const instance = instances.find((each) => each.name === name)
      if (instance === undefined) return refuse(reply, 404, 'not_found')
      if (!isOwn(request, own)) return refuse(reply, 403, 'cross_site')
      await (verb === 'kill' ? instance.end('SIGKILL') : instance.start())
    } else if (path !== '/demo/instances' || request.method !== 'GET') {
      return refuse(reply, 404, 'not_found')
    }
    sendJson(reply, 200, { instances: instances.map((each) => ({ name: each.name, is_up: each.isUp() })) })
  }

  return createServer((request, reply) => {
    answer(request, reply).catch(() => reply.destroy())
  })
}

function isOwn({ headers }: IncomingMessage, own: string): boolean {
  return isFromAllowedSite({ secFetchSite: headers['sec-fetch-site']?.toString(), origin: headers.origin }, own, [])
}
