import { Refusal } from '../../process/refusal.ts'
import { NotNow } from './client.ts'
import { ask, type Desk, removeAt, writeLine } from './desk.ts'

// The operator's orders about clients: programs that get tokens of their own.

/** The options that an order about a client may have. */
export interface ClientOptions {
  readonly scope?: string
  readonly audience?: readonly string[]
  readonly beside?: string
  readonly reason?: string
}
type Words = readonly string[]

const PATH = '/admin/v1/clients'

/** What the service says of a client. */
interface Told {
  readonly client_id: string
  readonly secrets: readonly { readonly id: string }[]
}

function pathOf(client = ''): string {
  return `${PATH}/${encodeURIComponent(client)}`
}

async function readAll(desk: Desk): Promise<readonly Told[]> {
  return (JSON.parse(await ask(desk, { method: 'GET', path: PATH })) as { clients: Told[] }).clients
}

/** Asks once: if the answer is lost, the client may be there, and asked again it would be there twice. */
export async function add(desk: Desk, [name]: Words, { scope, audience }: ClientOptions): Promise<void> {
  const body = { name, scopes: scope?.split(',') ?? [], ...(audience === undefined ? {} : { audiences: audience }) }
  const asked = { method: 'POST', path: PATH, body: JSON.stringify(body) } as const
  const answer = await desk.client.ask(asked).catch((error) => {
    if (!(error instanceof NotNow)) throw error
    throw new Refusal(`${error.message} It may have been added: see client list.`)
  })
  await writeLine(desk, JSON.parse(answer))
}

export async function list(desk: Desk): Promise<void> {
  for (const each of await readAll(desk)) await writeLine(desk, each)
}

/** Names the secret that stays, so that the last one stays, too, if the answer is lost and this is asked again. */
export async function secret(desk: Desk, [client]: Words, options: ClientOptions): Promise<void> {
  const beside = options.beside ?? (await readAll(desk)).find((each) => each.client_id === client)?.secrets.at(-1)?.id
  const body = JSON.stringify(beside === undefined ? {} : { beside })
  await writeLine(desk, JSON.parse(await ask(desk, { method: 'POST', path: `${pathOf(client)}/secret`, body })))
}

export async function disable(desk: Desk, [client]: Words, { reason }: ClientOptions): Promise<void> {
  const body = JSON.stringify(reason === undefined ? {} : { reason })
  await ask(desk, { method: 'PUT', path: `${pathOf(client)}/disabled`, body })
}

export async function enable(desk: Desk, [client]: Words): Promise<void> {
  await ask(desk, { method: 'DELETE', path: `${pathOf(client)}/disabled` })
}

export async function remove(desk: Desk, [client]: Words): Promise<void> {
  await removeAt(desk, pathOf(client))
}
