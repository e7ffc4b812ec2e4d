/** The problems that a route of the operator's listener may answer about the key. */
export const KEY_PROBLEMS = ['no_token', 'token_invalid'] as const
