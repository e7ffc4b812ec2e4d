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
  // What people with a second factor do:
  | 'enrol' // an authenticator app
  | 'first-step' // of a login: the password
  | 'second-step' // the challenge that it gave, and a code
  | 'step-up'
  | 'renew-codes' // the recovery codes
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
  /** The code that is spent by it; null: none. */
  readonly spends: string | null
  readonly startedAt: number
  endedAt: number
  status: number
  /** The code or the reason of a refusal. */
  said: string
  /** The session whose tokens the answer holds; '' for none. */
  opened: string
}

/** Something to show: an access token, a session (whichever of its refresh tokens is the client's now), a password, the challenge of a login. */
export type Credential = {
  readonly kind: 'access' | 'session' | 'password' | 'challenge'
  readonly name: string
  readonly user: string
  /** The session it is of; '' for a password or a challenge. */
  readonly session: string
  readonly grantedBy: Operation
  /** What opened the session. */
  readonly openedBy: Operation
}

/** What is known of an operation at its beginning. */
export type Asked = Pick<Operation, 'kind' | 'user' | 'shows' | 'ends'> & Partial<Pick<Operation, 'spends'>>

/** What the operations of a run are written down in, in the order of their beginnings. */
export type History = {
  readonly operations: readonly Operation[]
  readonly begin: (asked: Asked) => Operation
  /** Status 0: no answer came. */
  readonly end: (operation: Operation, status: number, said?: string, opened?: string) => void
}

/** Opens an empty history. */
export function openHistory(now: () => number = () => performance.now()): History {
  const operations: Operation[] = []
  return {
    operations,
    begin(asked) {
      const number = operations.length + 1
      const answer = { endedAt: Infinity, status: 0, said: '', opened: '' }
      const operation = { spends: null, ...asked, number, startedAt: now(), ...answer }
      operations.push(operation)
      return operation
    },
    end(operation, status, said = '', opened = '') {
      Object.assign(operation, { endedAt: now(), status, said, opened })
    },
  }
}

/** It was answered with success; the first step of a login is, when it asks for the second. */
export function isDone({ kind, status, said }: Operation): boolean {
  return kind === 'first-step' ? said === 'second_factor_required' : status >= 200 && status < 300
}

/** What it showed was refused; nothing was done. */
export function isRefused(operation: Operation): boolean {
  // A challenge that is dead is 400; 401 is about the code.
  return operation.status === (operation.kind === 'second-step' ? 400 : 401) && !isDone(operation)
}

/** What it showed is good, and not enough: the account is disabled, or the role is not there. */
export function isForbidden({ status }: Operation): boolean {
  return status === 403
}

/** Nobody knows whether it was done, or will be: it runs, its answer was lost, or the service could not know. */
export function isInDoubt({ status }: Operation): boolean {
  return status === 0 || status >= 500
}
