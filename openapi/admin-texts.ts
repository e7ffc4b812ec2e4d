// What the operator's document says that no route schema can say.

export const ADMIN_DESCRIPTION = `What the operator of Latchkey does with its users and clients: a listener of its own, which no proxy should pass on.

**Keys.** Send one of \`ADMIN_KEYS\` as \`Authorization: Bearer\`. Without a right key everything below \`/admin\` is 401, whether it is there
or not. The log has each call, with the name of the key and what \`X-Actor\` says of the person behind it.

**At once.** A 204 holds on every instance: whatever it takes away, no token of before is accepted any more.

**Errors.** Every 4xx and 5xx is \`application/problem+json\` (RFC 9457) with one of the codes below; treat one you do not know by its
status. \`/readyz\` and \`/readyz/own\` alone answer 503 in a form of their own.`

/** The groups of the operator's operations, in the order they are shown. */
export const ADMIN_TAGS = {
  Users: 'Finding, changing, stopping and removing accounts.',
  Clients: 'Programs that get tokens of their own, or ask about those of others.',
  Health: 'For load balancers and orchestrators.',
  Docs: 'This contract.',
}

export const ADMIN_SECURITY_SCHEMES = {
  adminKey: { type: 'http', scheme: 'bearer', description: 'One of ADMIN_KEYS.' },
}
