import type * as z from 'zod'
import { createUser } from '../../../auth/accounts/create.ts'
import type { Deps } from '../../../deps.ts'
import type { Caller } from '../../../domain/caller.ts'
import { isTooLarge } from '../../../domain/roles.ts'
import type { User } from '../../../domain/user.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { demandEmail } from '../answers.ts'
import { BODY_PROBLEMS, problems } from '../problem-schemas.ts'
import { KEY_PROBLEMS } from './problems.ts'
import { AdminUser, NewUser } from './schemas.ts'
import { userAnswers } from './user-answers.ts'

const schema = {
  operationId: 'createUser',
  tags: ['Users'],
  summary: 'Make an account',
  description:
    'With a password, with a hash that another system has made of it, or with neither: then only a mail to reset the password opens ' +
    'it. With an `id` it may be sent again if the answer is lost: the account that is there is answered with 200, as it is.',
  body: NewUser,
  security: [{ adminKey: [] }],
  response: {
    200: AdminUser.meta({ description: 'There is this account, with this id and address.' }),
    201: AdminUser.meta({ description: 'The account.' }),
    ...problems(
      ...KEY_PROBLEMS,
      ...BODY_PROBLEMS,
      'id_taken',
      'email_taken',
      'hash_unacceptable',
      'password_unacceptable',
      'busy',
      'store_unavailable',
    ),
  },
}

/** POST /admin/v1/users */
export function createRoute(app: App, deps: Deps): void {
  app.route({
    method: 'POST',
    url: '/admin/v1/users',
    schema,
    async handler(request, reply) {
      const { kind, user } = await create(deps, request.body, callerOf(request))
      const [answer] = await userAnswers(deps, [user])
      return reply.code(kind === 'created' ? 201 : 200).send(answer as z.output<typeof AdminUser>)
    },
  })
}

/** Makes the account of a body, or finds that it is there. Throws Problem. */
export async function create(
  deps: Deps,
  body: z.output<typeof NewUser>,
  caller: Caller,
): Promise<{ readonly kind: 'created' | 'exists'; readonly user: User }> {
  const { id, email_verified: emailVerified, password, password_hash: passwordHash, roles, app } = body
  if (isTooLarge(app)) throw new Problem('too_large')
  const email = demandEmail('email', body.email)
  const result = await createUser(deps, { id, email, emailVerified, password, passwordHash, roles, app }, caller)
  if (result.kind === 'password_unacceptable') throw new Problem(result.kind, { errors: result.rules })
  if (result.kind !== 'created' && result.kind !== 'exists') throw new Problem(result.kind)
  return result
}
