import type { Deps } from '../../deps.ts'
import { BREACHED, type BrokenRule, findBrokenRules, normalisePassword } from '../../domain/password.ts'

/** Finds the rules that a new password of this user breaks; none: it is acceptable. Only one that breaks no other is looked up. */
export async function judgeNewPassword(deps: Deps, password: string, email: string): Promise<readonly BrokenRule[]> {
  const rules = findBrokenRules(password, email, deps.config.PASSWORD_MIN_LENGTH)
  if (rules.length > 0) return rules
  return (await deps.isBreached(normalisePassword(password))) ? [BREACHED] : []
}
