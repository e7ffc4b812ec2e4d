import { newId } from '../../domain/id.ts'
import { Refusal } from '../../process/refusal.ts'
import { NotThere } from './client.ts'
import { ask, type Desk, removeAt, writeLine } from './desk.ts'

/** The options that an order may have. */
export interface Options {
  readonly id?: string
  readonly verified?: boolean
  readonly role?: readonly string[]
  readonly password?: boolean
  readonly none?: boolean
  readonly reason?: string
  readonly end?: boolean
  readonly remove?: boolean
}
type Words = readonly string[]

/** The path of the user with that id or address. Throws Refusal if nobody has it. */
async function pathOf(desk: Desk, user = ''): Promise<string> {
  if (!user.includes('@')) return `/admin/v1/users/${encodeURIComponent(user)}`
  const found = await ask(desk, { method: 'GET', path: `/admin/v1/users?email=${encodeURIComponent(user)}` })
  const [{ id } = { id: '' }] = (JSON.parse(found) as { users: { id: string }[] }).users
  if (id === '') throw new Refusal(`Nobody has the address ${user}.`)
  return `/admin/v1/users/${id}`
}

async function showAt(desk: Desk, path: string): Promise<void> {
  await writeLine(desk, JSON.parse(await ask(desk, { method: 'GET', path })))
}

/** Changes something of a user, and shows the user. */
async function change(desk: Desk, user: string | undefined, what: string, body?: unknown): Promise<void> {
  const path = await pathOf(desk, user)
  const sent = body === undefined ? {} : { body: JSON.stringify(body) }
  await ask(desk, { method: 'PUT', path: `${path}/${what}`, ...sent })
  await showAt(desk, path)
}

/** Writes what is at the path, page by page. */
async function writePages(desk: Desk, path: string, of: 'users' | 'events'): Promise<void> {
  for (let cursor = ''; ;) {
    const text = await ask(desk, { method: 'GET', path: `${path}?limit=100${cursor}` })
    const page = JSON.parse(text) as Record<typeof of, object[]> & { next?: string }
    await desk.out(page[of].map((each) => `${JSON.stringify(each)}\n`).join(''))
    if (page.next === undefined) return
    cursor = `&cursor=${encodeURIComponent(page.next)}`
  }
}

export async function list(desk: Desk): Promise<void> {
  await writePages(desk, '/admin/v1/users', 'users')
}

export async function events(desk: Desk, [user]: Words): Promise<void> {
  await writePages(desk, `${await pathOf(desk, user)}/events`, 'events')
}

export async function show(desk: Desk, [user]: Words): Promise<void> {
  await showAt(desk, await pathOf(desk, user))
}

export async function create(desk: Desk, [email]: Words, options: Options): Promise<void> {
  const { id = newId(), verified, role, password } = options // with an id the same again is no other account
  const body = {
    id,
    email,
    ...(verified === true ? { email_verified: true } : {}),
    ...(role === undefined ? {} : { roles: role }),
    ...(password === true ? { password: (await desk.input()).replace(/\r?\n$/, '') } : {}),
  }
  await writeLine(
    desk,
    JSON.parse(await ask(desk, { method: 'POST', path: '/admin/v1/users', body: JSON.stringify(body) })),
  )
}

export async function roles(desk: Desk, [user, ...given]: Words, { none = false }: Options): Promise<void> {
  if (none === given.length > 0) throw new Refusal('Name the roles, or say --none.', 2)
  await change(desk, user, 'roles', { roles: given })
}

export async function app(desk: Desk, [user, text = '']: Words): Promise<void> {
  await change(desk, user, 'app', readJson(text))
}

export async function disable(desk: Desk, [user]: Words, { reason }: Options): Promise<void> {
  await change(desk, user, 'disabled', reason === undefined ? {} : { reason })
}

export async function enable(desk: Desk, [user]: Words): Promise<void> {
  const path = await pathOf(desk, user)
  await ask(desk, { method: 'DELETE', path: `${path}/disabled` })
  await showAt(desk, path)
}

export async function reset(desk: Desk, [user]: Words): Promise<void> {
  const path = await pathOf(desk, user)
  await ask(desk, { method: 'POST', path: `${path}/password-reset` }).catch(async (error) => {
    if (!(error instanceof NotThere)) throw error
    await ask(desk, { method: 'GET', path }) // else there is no such user
    throw new Refusal('The service sends no mail: it has no MAIL_URL.')
  })
  await showAt(desk, path)
}

export async function sessions(desk: Desk, [user]: Words, { end = false }: Options): Promise<void> {
  const path = `${await pathOf(desk, user)}/sessions`
  const text = await ask(desk, { method: end ? 'DELETE' : 'GET', path })
  const found = end ? [] : (JSON.parse(text) as { sessions: object[] }).sessions
  for (const session of found) await writeLine(desk, session)
}

export async function factors(desk: Desk, [user]: Words, { remove: removes = false }: Options): Promise<void> {
  const path = await pathOf(desk, user)
  if (removes) await ask(desk, { method: 'DELETE', path: `${path}/factors` })
  const shown = JSON.parse(await ask(desk, { method: 'GET', path })) as { factors: object }
  await writeLine(desk, shown.factors)
}

export async function remove(desk: Desk, [user]: Words): Promise<void> {
  await removeAt(desk, await pathOf(desk, user))
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Refusal('That is not JSON.', 2)
  }
}
