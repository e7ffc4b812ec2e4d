import type { Route } from './http.ts'

/** A person who has an account. */
export interface Person {
  readonly email: string
  password: string
}

/** What came of something a person did: done; `out`, the person is not logged in; or it failed. */
export interface Result {
  readonly kind: 'ok' | 'out' | 'failed'
  readonly status: number
  readonly state?: State
}

/** What a person sees. */
export interface State {
  readonly cart: readonly string[]
  readonly theme: string
}

/** A thief's copy of what a device holds. */
export interface Copy {
  /** Whether the instance at this port takes the thief for the person. */
  readonly isAcceptedAt: (port: number) => Promise<boolean>
  /** Goes on as the person as long as that works: what the device itself does to stay logged in. */
  readonly renew: () => Promise<Result>
}

/** A browser or a phone of one person; each contender has its own kind, and does with it what its users' devices do. */
export interface Device {
  readonly person: Person
  readonly login: () => Promise<Result>
  /** One guarded request. */
  readonly whoAmI: () => Promise<Result>
  /** The cart and the theme, in `state`. */
  readonly look: () => Promise<Result>
  readonly addToCart: (item: string) => Promise<Result>
  readonly setTheme: (theme: string) => Promise<Result>
  readonly logout: () => Promise<Result>
  /** On success the person knows the new password. */
  readonly changePassword: (next: string) => Promise<Result>
  /** What the client does now and then to stay logged in. */
  readonly renew: () => Promise<Result>
  /** One more tab of this browser. */
  readonly tab: () => Device
  readonly steal: () => Copy
  /** From now on in another network, sending to another port, or as a tab of a real browser. */
  readonly move: (to: Partial<Route>) => void
}

/** What a device needs to know of the site. */
export interface Site {
  readonly port: number
  /** The wall clock of the site and its visitors. */
  readonly now: () => number
  /** Is told of every status that an honest client gets. */
  readonly heard: (status: number, path: string) => void
}

/** How a contender makes one. */
export type MakeDevice = (site: Site, person: Person, from: string) => Device

/** Reads an answer. */
export function resultOf({ status, body }: { readonly status: number; readonly body: any }): Result {
  if (status === 401) return { kind: 'out', status }
  if (status < 200 || status > 299) return { kind: 'failed', status }
  const { cart, theme } = body ?? {}
  return cart === undefined ? { kind: 'ok', status } : { kind: 'ok', status, state: { cart, theme } }
}
