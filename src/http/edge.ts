import type { Deps } from '../deps.ts'
import type { BearerTokens } from './plugins/bearer.ts'
import type { ClientAuth } from './plugins/client-auth.ts'
import type { RefuseCrossSite } from './plugins/cross-site.ts'
import type { RefreshCookie } from './plugins/refresh-cookie.ts'
import type { LimitPerAddress } from './plugins/request-limits.ts'

/** What routes work with: the dependencies, and the guards of the edge. */
export interface Edge {
  readonly deps: Deps
  readonly bearer: BearerTokens
  readonly limitPerAddress: LimitPerAddress
  readonly refuseCrossSite: RefuseCrossSite
}

/** What routes that touch the refresh cookie work with. */
export interface CookieEdge extends Edge {
  readonly cookie: RefreshCookie
}

/** What the routes of OAuth work with. */
export interface OauthEdge extends Edge {
  readonly clients: ClientAuth
}
