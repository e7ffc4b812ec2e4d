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

/** What each field is, for who sends it and who is answered it. What is answered is not judged again: AUDIENCE may be any text. */
const TOLD = {
  name: { description: 'For people.', examples: ['nightly report'] },
  scopes: {
    description: 'The most that its tokens may say that it may do.',
    examples: [['orders:read', 'orders:write']],
  },
  audiences: {
    description:
      'Whom its tokens may be for; and about tokens for whom it may ask. Not sent: the audience of this service.',
    examples: [['https://api.example.org']],
  },
}

const Scope = z.string().refine(isScope, 'must be 1 to 64 characters of ASCII, without spaces, quotes and backslashes')
const Audience = z
  .string()
  .refine(
    (text) => AUDIENCE.test(text) && isAudience(text),
    'must be 1 to 200 characters of ASCII, without spaces, quotes and backslashes; a URL in its canonical form',
  )

export const NewClient = z
  .strictObject({
    name: z
      .string()
      .regex(/^[^\p{C}]{1,100}$/u, 'must be 1 to 100 characters in one line')
      .meta(TOLD.name),
    scopes: z.array(Scope).max(MAX_SCOPES).default([]).meta(TOLD.scopes),
    audiences: z.array(Audience).min(1).max(MAX_AUDIENCES).optional().meta(TOLD.audiences),
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
    name: z.string().meta(TOLD.name),
    scopes: z.array(z.string()).meta(TOLD.scopes),
    audiences: z.array(z.string()).meta(TOLD.audiences),
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
