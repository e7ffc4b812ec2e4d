// What the clients of one run did and what they were answered, all timed by the one clock of this process.

/** Everything the clients do. */
export type Kind =
  | 'register'
  | 'login'
  | 'verify'
  | 'refresh'
  | 'logout'
  | 'revoke' // DELETE /v1/sessions/{id}: another session of the user
  | 'revoke-all' // logout with scope all
  | 'password'
  | 'reset' // the password, by what a mail holds
  | 'verify-role' // and demand the role
  | 'verify-service' // by asking a service that verifies strictly
  // What the operator does to the account:
  | 'give-role'
  | 'take-role'
  | 'disable'
  | 'enable'
  | 'remove'

/** What an operation ends if it is done: one session, all of its user but one, or the access tokens of before and no session. */
export type Ends = { readonly session: string } | { readonly allBut: string | null } | { readonly only: 'access' }

/** One request. `endedAt` is Infinity and `status` 0 until it is answered; a lost answer leaves the status 0. */
export type Operation = {
  readonly number: number
  readonly kind: Kind
  readonly user: string
  /** What the answer judges; a logout is answered 204 whatever it shows. */
  readonly shows: Credential | null
  readonly ends: Ends | null
  readonly startedAt: number
  endedAt: number
  status: number
  /** The code or the reason of a refusal. */
  said: string
}

/** Something to show: an access token, a session (whichever of its refresh tokens is the client's now), a password. */
export type Credential = {
  readonly kind: 'access' | 'session' | 'password'
  readonly name: string
  readonly user: string
  /** The session it is of; '' for a password. */
  readonly session: string
  readonly grantedBy: Operation
  /** What opened the session. */
  readonly openedBy: Operation
}

/** What the operations of a run are written down in, in the order of their beginnings. */
export type History = {
  readonly operations: readonly Operation[]
  readonly begin: (asked: Pick<Operation, 'kind' | 'user' | 'shows' | 'ends'>) => Operation
  /** Status 0: no answer came. */
  readonly end: (operation: Operation, status: number, said?: string) => void
}

/** Opens an empty history. */
export function openHistory(now: () => number = () => performance.now()): History {
  const operations: Operation[] = []
  return {
    operations,
    begin(asked) {
      const number = operations.length + 1
      const operation = { ...asked, number, startedAt: now(), endedAt: Infinity, status: 0, said: '' }
      operations.push(operation)
      return operation
    },
    end(operation, status, said = '') {
      Object.assign(operation, { endedAt: now(), status, said })
    },
  }
}

/** It was answered with success. */
export function isDone({ status }: Operation): boolean {
  return status >= 200 && status < 300
}

/** What it showed was refused; nothing was done. */
export function isRefused({ status }: Operation): boolean {
  return status === 401
}

/** What it showed is good, and not enough: the account is disabled, or the role is not there. */
export function isForbidden({ status }: Operation): boolean {
  return status === 403
}

/** Nobody knows whether it was done, or will be: it runs, its answer was lost, or the service could not know. */
export function isInDoubt({ status }: Operation): boolean {
  return status === 0 || status >= 500
}
