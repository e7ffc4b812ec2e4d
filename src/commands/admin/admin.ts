import path from 'node:path'
import { text } from 'node:stream/consumers'
import type { Command } from '../command.ts'
import { Refusal } from '../../process/refusal.ts'
import { openClient } from './client.ts'
import * as clients from './clients.ts'
import type { Desk } from './desk.ts'
import { exportUsers } from './export.ts'
import { importFile } from './import.ts'
import * as users from './users.ts'
import { readWords, type Wording } from './words.ts'

type Options = users.Options & clients.ClientOptions

/** An order: what it says of itself, what may follow its name, and what it does. */
interface Order extends Wording {
  readonly does: string
  readonly run: (desk: Desk, words: readonly string[], options: Options) => Promise<void>
}

const ORDERS: Record<string, Order> = {
  list: { usage: 'list', does: 'all users', words: [0, 0], run: users.list },
  show: { usage: 'show USER', does: 'one user', words: [1, 1], run: users.show },
  create: {
    usage: 'create EMAIL [--id ID] [--verified] [--role ROLE]… [--password]',
    does: 'an account; with --password its password is read from standard input, without it has none yet',
    options: {
      id: { type: 'string' },
      verified: { type: 'boolean' },
      role: { type: 'string', multiple: true },
      password: { type: 'boolean' },
    },
    words: [1, 1],
    run: users.create,
  },
  roles: {
    usage: 'roles USER ROLE… | roles USER --none',
    does: 'give these roles and no others',
    options: { none: { type: 'boolean' } },
    words: [1, 51],
    run: users.roles,
  },
  app: { usage: 'app USER JSON', does: 'replace what services are told', words: [2, 2], run: users.app },
  disable: {
    usage: 'disable USER [--reason TEXT]',
    does: 'let nobody in',
    options: { reason: { type: 'string' } },
    words: [1, 1],
    run: users.disable,
  },
  enable: { usage: 'enable USER', does: 'let the owner in again', words: [1, 1], run: users.enable },
  reset: {
    usage: 'reset USER',
    does: 'make the password unusable, and mail how to set another',
    words: [1, 1],
    run: users.reset,
  },
  sessions: {
    usage: 'sessions USER [--end]',
    does: 'who is logged in; with --end log out everywhere',
    options: { end: { type: 'boolean' } },
    words: [1, 1],
    run: users.sessions,
  },
  factors: {
    usage: 'factors USER [--remove]',
    does: 'the second factors there are; with --remove for somebody who has lost them, and log out everywhere',
    options: { remove: { type: 'boolean' } },
    words: [1, 1],
    run: users.factors,
  },
  events: {
    usage: 'events USER',
    does: 'what has happened to the account, newest first',
    words: [1, 1],
    run: users.events,
  },
  delete: { usage: 'delete USER', does: 'remove the account', words: [1, 1], run: users.remove },
  import: {
    usage: 'import FILE',
    does: 'make the accounts of a file, a line of JSON each; again: go on where it stopped',
    words: [1, 1],
    run: async (desk, files) => importFile(desk, files.map(whereAsked)),
  },
  export: {
    usage: 'export [FILE]',
    does: 'all users, to standard output or a file; again with a file: go on where it stopped',
    words: [0, 1],
    run: async (desk, files) => exportUsers(desk, files.map(whereAsked)),
  },
  'client add': {
    usage: 'client add NAME [--scope SCOPE,…] [--audience AUDIENCE]…',
    does: 'a program that gets tokens of its own; its secret is shown once',
    options: { scope: { type: 'string' }, audience: { type: 'string', multiple: true } },
    words: [1, 1],
    run: clients.add,
  },
  'client list': { usage: 'client list', does: 'all clients, without their secrets', words: [0, 0], run: clients.list },
  'client secret': {
    usage: 'client secret CLIENT [--beside SECRET]',
    does: 'one more secret, beside the last one or the one of that id; any third is refused from now on',
    options: { beside: { type: 'string' } },
    words: [1, 1],
    run: clients.secret,
  },
  'client disable': {
    usage: 'client disable CLIENT [--reason TEXT]',
    does: 'refuse its secrets and its tokens',
    options: { reason: { type: 'string' } },
    words: [1, 1],
    run: clients.disable,
  },
  'client enable': {
    usage: 'client enable CLIENT',
    does: 'take its secrets again',
    words: [1, 1],
    run: clients.enable,
  },
  'client remove': { usage: 'client remove CLIENT', does: 'for good', words: [1, 1], run: clients.remove },
}

const LIST = Object.values(ORDERS).map(({ usage, does }) => `  ${usage}\n      ${does}\n`)
const USAGE = `Usage: npm run --silent admin -- ORDER

${LIST.join('')}
USER is an id or an address, CLIENT an id. Users and clients are printed as JSON, a line each. The service is at ADMIN_URL, http://127.0.0.1:ADMIN_PORT
unless it is set; the key is in ADMIN_KEY, or in the file that ADMIN_KEY_FILE names. Exits with 0 if all is done, 1 if it is
not, 2 if the order is none, 3 if an import was refused some lines.
`

/** The operator's orders from a shell, carried out over the operator's listener. */
export const admin: Command = async (config, _output, words) => {
  process.stdout.on('error', () => {}) // each write says so, too
  await carryOutOrder(words, () => openDesk(openClient(config)))
}

/** Carries out the order that the words give. Throws Refusal if there is no such order, or it fails. */
export async function carryOutOrder(words: readonly string[], deskOf: () => Desk): Promise<void> {
  const length = words[0] === 'client' ? 2 : 1
  const name = words.slice(0, length).join(' ')
  const order = Object.hasOwn(ORDERS, name) ? ORDERS[name] : undefined
  if (order === undefined) throw new Refusal(name === '' ? USAGE : `There is no order ${name}.\n\n${USAGE}`, 2)
  const { positionals, values } = readWords(order, words.slice(length))
  await order.run(deskOf(), positionals, values)
}

/** The path of a file that was named where `npm` was called: it runs its scripts in the folder of the package. */
function whereAsked(file: string): string {
  const folder = process.env['INIT_CWD']
  return folder === undefined ? file : path.resolve(folder, file)
}

function openDesk(client: Desk['client']): Desk {
  return {
    client,
    out: write,
    err: (line) => void process.stderr.write(line),
    isWatched: process.stderr.isTTY,
    input: () => text(process.stdin),
  }
}

/** Writes to standard output, as fast as it is read. Whoever reads no more, as `head`, ends the command. */
async function write(lines: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(lines, (error) => (error ? reject(error) : resolve()))
  }).catch(({ code }: NodeJS.ErrnoException) => {
    throw new Refusal(`standard output takes no more: ${code}`)
  })
}
