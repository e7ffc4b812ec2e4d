import type * as z from 'zod'
import type { Deps } from '../../../deps.ts'
import type { Caller } from '../../../domain/caller.ts'
import { readEmail } from '../../../domain/email.ts'
import { acceptJsonLines } from '../../plugins/json-body.ts'
import { Problem, type ProblemCode } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { BODY_PROBLEMS, problems } from '../problem-schemas.ts'
import { create } from './create.ts'
import { KEY_PROBLEMS } from './problems.ts'
import { ImportResult, NewUser } from './schemas.ts'

const BODY_LIMIT = 256 * 1024
/** So many accounts are made at once. */
const AT_ONCE = 16

const LINES = 'application/x-ndjson'

const schema = {
  operationId: 'importUsers',
  tags: ['Users'],
  summary: 'Make many accounts',
  description:
    'Lines of JSON, at most 256 KiB: an account each, as `createUser` takes it. The answer has a line for each, in order; empty lines ' +
    'are counted and skipped. A line that is refused stops no other. After a 503 send the same again: what has been made and has an ' +
    '`id` exists, and nothing is made twice.',
  body: NewUser.clone().meta({ contentType: LINES }),
  security: [{ adminKey: [] }],
  response: {
    200: ImportResult.meta({ description: 'A line: what has become of one.', contentType: LINES }),
    ...problems(...KEY_PROBLEMS, ...BODY_PROBLEMS, 'busy', 'store_unavailable'),
  },
}

/** POST /admin/v1/users/import */
export function importRoute(app: App, deps: Deps): void {
  void app.register(async (scope: App) => {
    const readJson = acceptJsonLines(scope)
    scope.route({
      method: 'POST',
      url: '/admin/v1/users/import',
      schema,
      bodyLimit: BODY_LIMIT,
      validatorCompiler: () => () => true, // each line is judged for itself
      async handler(request, reply) {
        const read = async (line: string) => NewUser.safeParse(await readJson(request, line))
        const results = await importLines(deps, linesOf(request.body), read, callerOf(request))
        return reply.type(LINES).send(results.map((result) => `${JSON.stringify(result)}\n`).join('') as never)
      },
    })
  })
}

type Result = z.output<typeof ImportResult>
type Read = (line: string) => Promise<ReturnType<typeof NewUser.safeParse>>

/** A line, and what it asks for, or why it is refused. */
interface Line {
  readonly line: number
  readonly asked: z.output<typeof NewUser> | ProblemCode
}

/** Without a body there are none. */
function linesOf(body: unknown): { readonly line: number; readonly text: string }[] {
  const texts = typeof body === 'string' ? body.split('\n') : []
  return texts.map((text, place) => ({ line: place + 1, text })).filter(({ text }) => text.trim() !== '')
}

/** Makes the accounts, AT_ONCE at a time; of several lines with one id or address the first comes first. */
async function importLines(
  deps: Deps,
  lines: ReturnType<typeof linesOf>,
  read: Read,
  caller: Caller,
): Promise<readonly Result[]> {
  const results: Result[] = []
  let together: Line[] = []
  async function makeThem(): Promise<void> {
    const settled = await Promise.allSettled(together.map((each) => importLine(deps, each, caller)))
    for (const result of settled) {
      if (result.status === 'rejected') throw result.reason // what was begun with it is done by now
      results.push(result.value)
    }
    together = []
    await new Promise((resolve) => void setImmediate(resolve)) // others are waiting, too
  }
  for (const { line, text } of lines) {
    const next = { line, asked: await readLine(read, text) }
    if (together.length === AT_ONCE || together.some((each) => isOfOneAccount(each, next))) await makeThem()
    together.push(next)
  }
  await makeThem()
  return results
}

async function readLine(read: Read, text: string): Promise<Line['asked']> {
  try {
    const { success, data } = await read(text)
    return success ? data : 'bad_request'
  } catch (error) {
    return codeOf(error)
  }
}

function isOfOneAccount({ asked: one }: Line, { asked: other }: Line): boolean {
  if (typeof one === 'string' || typeof other === 'string') return false
  return (one.id !== undefined && one.id === other.id) || keyOf(one.email) === keyOf(other.email)
}

function keyOf(email: string): string | undefined {
  return readEmail(email)?.key
}

/** Makes the account of a line. Throws what stops the whole import: the store fails, or the service is busy. */
async function importLine(deps: Deps, { line, asked }: Line, caller: Caller): Promise<Result> {
  if (typeof asked === 'string') return { line, status: 'refused', code: asked }
  try {
    const { kind, user } = await create(deps, asked, caller)
    return { line, id: user.id, status: kind }
  } catch (error) {
    return { line, ...(asked.id === undefined ? {} : { id: asked.id }), status: 'refused', code: codeOf(error) }
  }
}

/** The code of a problem; throws whatever else it is. */
function codeOf(error: unknown): ProblemCode {
  if (error instanceof Problem) return error.code
  throw error
}
