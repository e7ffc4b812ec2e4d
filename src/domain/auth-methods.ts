/** The ways to prove at a login who one is, RFC 8176 section 2. */
export const AUTH_METHODS = ['pwd', 'otp', 'pop', 'mfa'] as const
export type AuthMethod = (typeof AUTH_METHODS)[number]

/** All that a person has proven in a session, in the order of AUTH_METHODS. */
export function withMethods(before: readonly AuthMethod[], proven: readonly AuthMethod[]): AuthMethod[] {
  const all = new Set([...before, ...proven])
  return AUTH_METHODS.filter((method) => all.has(method))
}

/** The assurance level of NIST SP 800-63B-4 that these proofs reach together. */
export function acrOf(amr: readonly AuthMethod[]): 'aal1' | 'aal2' {
  return amr.includes('mfa') ? 'aal2' : 'aal1'
}
