import type { Session } from '../../src/domain/session.ts'

/** A live session that was opened at `openedAt` by a password, and has been used for nothing since. */
export function aSession(openedAt: number, { idleMs, absoluteMs }: { idleMs: number; absoluteMs: number }): Session {
  return {
    kind: 'live',
    id: 'sid',
    userId: 'uid',
    store: 'store',
    secret: 'secret',
    transport: 'body',
    remember: false,
    amr: ['pwd'],
    authAt: openedAt,
    counter: 0,
    held: 0,
    spentAt: [],
    late: null,
    changedFrom: 0,
    passwordGeneration: 0,
    createdAt: openedAt,
    lastUsedAt: openedAt,
    idleMs,
    absoluteAt: openedAt + absoluteMs,
    ip: '192.0.2.1',
    userAgent: 'test',
  }
}
