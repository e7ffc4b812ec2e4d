import * as z from 'zod'
import type { TrailPage } from '../../auth/accounts/trail.ts'
import { OVER_REASONS } from '../../domain/session.ts'
import { TRAIL_EVENTS, type TrailEvent } from '../../domain/trail.ts'
import { Id, Time } from './fields.ts'

// How the trail of an account is asked for and told, to its owner and to the operator.

export const EventsQuery = z.object({
  limit: z
    .string()
    .regex(/^(?:[1-9]\d?|100)$/, 'must be a whole number from 1 to 100')
    .transform(Number)
    .default(50)
    .meta({ description: 'How many at most; 50 unless told.', examples: ['50'] }),
  cursor: z
    .string()
    .regex(/^[1-9]\d{0,14}$/, 'must be the next of a page')
    .transform(Number)
    .optional()
    .meta({ description: 'The `next` of the last page.' }),
})

const Event = z
  .object({
    at: Time,
    event: z
      .enum(TRAIL_EVENTS)
      .meta({ description: 'What has happened. There may be others one day.', examples: ['session.ended'] }),
    session_id: Id.optional().meta({ description: 'The session that opened, ended, or did it.' }),
    reason: z
      .enum(OVER_REASONS)
      .optional()
      .meta({ description: 'With session.ended: why.', examples: ['logged_out'] }),
    ip: z
      .string()
      .optional()
      .meta({ description: 'From where, unless an operator did it.', examples: ['192.0.2.7'] }),
    user_agent: z
      .string()
      .optional()
      .meta({ examples: ['Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0'] }),
    by: z
      .string()
      .optional()
      .meta({ description: 'The operator did it: by which key.', examples: ['ops'] }),
    actor: z
      .string()
      .optional()
      .meta({ description: 'For whom the operator said to act.', examples: ['ada@support.example.org'] }),
  })
  .meta({ id: 'Event' })

export const Events = z
  .object({
    events: z.array(Event).max(100).meta({ description: 'Newest first.' }),
    next: z.string().optional().meta({ description: 'The cursor of the next page; absent: there is none.' }),
  })
  .meta({ id: 'Events' })

/** The JSON of a page of a trail. */
export function eventsAnswer({ events, next }: TrailPage): z.input<typeof Events> {
  return { events: events.map(eventAnswer), ...(next === null ? {} : { next: `${next}` }) }
}

function eventAnswer({ at, sessionId, userAgent, ...told }: TrailEvent): z.input<typeof Event> {
  return {
    at: new Date(at).toISOString(),
    ...told,
    ...(sessionId === undefined ? {} : { session_id: sessionId }),
    ...(userAgent === undefined ? {} : { user_agent: userAgent }),
  }
}
