import type { AdminHome } from './admin.ts'
import type { Answer, CallOptions, Home } from './home.ts'

/** A client of the operator, with a secret. */
export interface ClientSecret {
  readonly client_id: string
  readonly client_secret: string
}

/** The parameters of a form; a list is a parameter that is there several times. */
export type Parameters = Readonly<Record<string, string | readonly string[]>>

/** Who sends a form, and what else it has. */
export interface FormOptions extends Pick<CallOptions, 'headers' | 'ip'> {
  readonly client?: ClientSecret
}

/** The value of an Authorization header, its parts encoded as in a form. */
export function basic({ client_id, client_secret }: ClientSecret): string {
  const text = `${encodeURIComponent(client_id)}:${encodeURIComponent(client_secret)}`
  return `Basic ${Buffer.from(text).toString('base64')}`
}

/** Sends a form. */
export async function sendForm<Body = any>(
  { call }: Pick<Home, 'call'>,
  path: string,
  parameters: Parameters | string,
  { client, headers = {}, ...rest }: FormOptions = {},
): Promise<Answer<Body>> {
  const text = typeof parameters === 'string' ? parameters : formOf(parameters)
  const type = { 'content-type': 'application/x-www-form-urlencoded' }
  const authorization: Record<string, string> = client === undefined ? {} : { authorization: basic(client) }
  return call<Body>('POST', path, { body: text, headers: { ...type, ...authorization, ...headers }, ...rest })
}

export function formOf(parameters: Parameters): string {
  const pairs = Object.entries(parameters).flatMap(([name, value]) => [value].flat().map((each) => [name, each]))
  return new URLSearchParams(pairs as [string, string][]).toString()
}

/** Adds a client; by default for the audience of the service, and with no scopes. */
export async function addClient({ admin }: AdminHome, wish: object = {}): Promise<ClientSecret> {
  const answer = await admin('POST', '/admin/v1/clients', { body: { name: 'a test', ...wish } })
  if (answer.status !== 201) throw new Error(`add client: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

/** Gets a token of a client that acts for itself. */
export async function tokenOf(home: Home, client: ClientSecret, parameters: Parameters = {}): Promise<string> {
  const answer = await sendForm(home, '/oauth/token', { grant_type: 'client_credentials', ...parameters }, { client })
  if (answer.status !== 200) throw new Error(`token: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body.access_token
}
