import type { Access } from './access.ts'
import type { Challenge } from './challenge.ts'
import { Refused } from './errors.ts'

/** What is demanded of a live token. */
export interface Demand {
  /** Roles that the person must have: all of them. */
  readonly roles?: string | readonly string[]
  /** Scopes that the token must have, all of them: an array, or a text with spaces between. */
  readonly scope?: string | readonly string[]
  /** The least level of assurance. */
  readonly acr?: 'aal1' | 'aal2'
  /** For how many seconds at most the person may have proved who they are. */
  readonly maxAge?: number
}

/** The refusal of a live token that does not meet the demand at `now` (ms since the epoch); null: it meets it. */
export function refusalOf(access: Access, demand: Demand, now: number): Refused | null {
  const { roles = [], acr, maxAge } = demand
  const scope = scopesOf(demand.scope)
  if (![roles].flat().every((role) => access.roles.includes(role))) return new Refused('insufficient')
  if (!scope.every((each) => access.scope.includes(each)))
    return new Refused('insufficient', { scope: scope.join(' ') })
  const wanted = {
    ...(isAssured(access, acr) ? {} : { acr_values: String(acr) }),
    ...(isRecent(access, maxAge, now) ? {} : { max_age: Number(maxAge) }),
  } satisfies Challenge
  return Object.keys(wanted).length === 0 ? null : new Refused('step_up_required', wanted)
}

function scopesOf(scope: Demand['scope'] = []): string[] {
  return [scope].flat().flatMap((each) => each.split(' ').filter(Boolean))
}

function isAssured({ acr }: Access, least: Demand['acr']): boolean {
  return least === undefined || acr === least || (acr === 'aal2' && least === 'aal1')
}

function isRecent({ authTime }: Access, maxAge: number | undefined, now: number): boolean {
  return maxAge === undefined || (authTime !== undefined && now - authTime * 1000 <= maxAge * 1000)
}
