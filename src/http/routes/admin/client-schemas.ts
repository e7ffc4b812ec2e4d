import * as z from 'zod'
import { isAudience } from '../../../config/origins.ts'
import { isClientId, isScope } from '../../../domain/client.ts'
import { Id, Time } from '../fields.ts'

// The shapes of the operator's clients.

const ClientId = z
  .string()
  .refine(isClientId, 'must be the id of a client')
  .meta({ description: 'Opaque, never reused.', examples: ['client.Jb3l0mTqRk6yHfX1sDwZ8g'] })
export const ClientParams = z.object({ id: ClientId.meta({ description: 'A client.' }) })

/** A token with the most of both, however long, is still one that is taken. */
const [MAX_SCOPES, MAX_AUDIENCES] = [50, 8]
const AUDIENCE = /^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/

const Scopes = z
  .array(z.string().refine(isScope, 'must be 1 to 64 characters of ASCII, without spaces, quotes and backslashes'))
  .max(MAX_SCOPES)
  .meta({
    description: 'The most that its tokens may say that it may do.',
    examples: [['orders:read', 'orders:write']],
  })
const Audiences = z
  .array(
    z
      .string()
      .refine(
        (text) => AUDIENCE.test(text) && isAudience(text),
        'must be 1 to 200 characters of ASCII, without spaces, quotes and backslashes; a URL in its canonical form',
      ),
  )
  .min(1)
  .max(MAX_AUDIENCES)
  .meta({
    description: 'Whom its tokens may be for; and about tokens for whom it may ask.',
    examples: [['https://api.example.org']],
  })
const Name = z
  .string()
  .regex(/^[^\p{C}]{1,100}$/u, 'must be 1 to 100 characters in one line')
  .meta({ description: 'For people.', examples: ['nightly report'] })

export const NewClient = z
  .strictObject({
    name: Name,
    scopes: Scopes.default([]),
    audiences: Audiences.optional().meta({ description: 'Absent: the audience of this service.' }),
  })
  .meta({ id: 'NewClient' })

export const NewSecret = z
  .strictObject({
    beside: Id.optional().meta({ description: 'The secret that stays. Absent: the last one that was made.' }),
  })
  .meta({ id: 'NewSecret' })

export const Client = z
  .object({
    client_id: ClientId,
    name: Name,
    scopes: Scopes,
    audiences: Audiences,
    created_at: Time,
    disabled: z
      .object({ at: Time, reason: z.string().optional() })
      .optional()
      .meta({ description: 'Since when it can do nothing.' }),
    secrets: z
      .array(z.object({ id: Id, created_at: Time }))
      .max(2)
      .meta({ description: 'Those that are taken, the older first. The id names a secret, and tells nothing of it.' }),
  })
  .meta({ id: 'Client' })

export const Clients = z.object({ clients: z.array(Client) }).meta({ id: 'Clients' })

export const ClientWithSecret = Client.extend({
  client_secret: z.string().meta({
    description: 'Shown here and never again: only its SHA-256 is kept.',
    examples: ['2Rk6yHfX1sDwZ8gJb3l0mTq9p7Xb2mVQ0a1cJtYw3kZ'],
  }),
}).meta({ id: 'ClientWithSecret' })
