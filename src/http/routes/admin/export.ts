import { Readable } from 'node:stream'
import * as z from 'zod'
import { listUsers } from '../../../auth/accounts/users.ts'
import type { Deps } from '../../../deps.ts'
import { UNUSABLE } from '../../../domain/password.ts'
import type { User } from '../../../domain/user.ts'
import type { AppOptions } from '../../server.ts'
import type { App } from '../../typed-app.ts'
import { problems } from '../problem-schemas.ts'
import { KEY_PROBLEMS } from './problems.ts'
import { Cursor, ExportLine } from './schemas.ts'
import { userAnswers } from './user-answers.ts'

/** About so many users are read for one piece of an answer, which is in memory until the client has read it. */
const PIECE = 200
/** An answer is over after about so many users, or ms: a connection that is busy for longer than a minute would be cut off. */
const [MOST_USERS, MOST_MS] = [10_000, 20_000]

const schema = {
  operationId: 'exportUsers',
  tags: ['Users'],
  summary: 'Read all users, a line each',
  description:
    'Lines of JSON: a user each, with `password_hash` where the key has the scope `export` and a password is set. While there is more, ' +
    'the last line is `{"next": …}`, after about ten thousand users or twenty seconds: ask again with that as `cursor`. An answer that ' +
    'is cut off does not end as HTTP demands: start it again. A user that is there throughout is met at least once; of two lines with ' +
    'one `id` the later counts.',
  querystring: z.object({ cursor: Cursor }),
  security: [{ adminKey: [] }],
  response: {
    200: ExportLine.meta({ description: 'A line: a user, or where to go on.', contentType: 'application/x-ndjson' }),
    ...problems(...KEY_PROBLEMS, 'bad_request', 'store_unavailable'),
  },
}

/** GET /admin/v1/export. An answer ends early, too, when the process is to stop. */
export function exportRoute(app: App, deps: Deps, { isDraining, logger }: AppOptions): void {
  app.route({
    method: 'GET',
    url: '/admin/v1/export',
    schema,
    async handler({ query: { cursor }, adminKey, id: request_id }, reply) {
      const withHashes = adminKey?.mayExport === true
      const onCut = (err: unknown) => logger.warn({ err, request_id }, 'an export was cut off')
      const pieces = piecesOf(deps, cursor ?? null, { withHashes, isDraining, onCut })
      return reply.type('application/x-ndjson').send(Readable.from(pieces, { objectMode: false }) as never)
    },
  })
}

interface ExportOptions {
  readonly withHashes: boolean
  readonly isDraining: () => boolean
  /** Hears why an answer cannot go on that has begun: it is too late for a problem. */
  readonly onCut: (error: unknown) => void
}

/** Makes the next piece when the one before has been read; a failure of the store cuts the answer off. */
async function* piecesOf(deps: Deps, cursor: string | null, { withHashes, isDraining, onCut }: ExportOptions) {
  const endAt = performance.now() + MOST_MS
  let [next, count] = [cursor, 0]
  try {
    do {
      const page = await listUsers(deps, next, PIECE)
      const answers = await userAnswers(deps, page.users)
      const lines = page.users.map((user, place) => Object.assign(answers[place] ?? {}, withHashes ? hashOf(user) : {}))
      next = page.next
      count += lines.length
      if (lines.length > 0) yield textOf(lines)
    } while (next !== null && count < MOST_USERS && performance.now() < endAt && !isDraining())
  } catch (error) {
    if (count > 0) onCut(error)
    throw error
  }
  if (next !== null) yield textOf([{ next }])
}

function hashOf({ passwordHash }: User) {
  return passwordHash === UNUSABLE ? {} : { password_hash: passwordHash }
}

function textOf(lines: readonly object[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}
