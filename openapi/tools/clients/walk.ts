/** A session by one generated client; each step resolves to what the answer brought, or to the code of its problem. */
export interface Walker {
  readonly register: (credentials: { email: string; password: string }) => Promise<Tokens>
  readonly readMe: (accessToken: string) => Promise<{ readonly email: string }>
  readonly refresh: (refreshToken: string) => Promise<Tokens>
  /** Puts two apples into the cart, as it was when it was read; resolves to the cart. */
  readonly buy: (accessToken: string) => Promise<unknown>
  readonly logout: (accessToken: string) => Promise<void>
  /** The code of the problem that the same token meets then. */
  readonly refusal: (accessToken: string) => Promise<string>
}

export interface Tokens {
  readonly access_token: string
  readonly refresh_token?: string
}

export const APPLES = { cart: { apples: 2 } }

/** What must be there. */
export function some<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Error(`no ${what}`)
  return value
}

/** Walks through a session; throws where something else comes than the document says. */
export async function walk(name: string, walker: Walker): Promise<void> {
  const credentials = { email: `${name}@example.org`, password: 'seven red bicycles in the rain' }
  const first = await walker.register(credentials)
  const { email } = await walker.readMe(first.access_token)
  expect(email, credentials.email)
  const { access_token: token } = await walker.refresh(some(first.refresh_token, 'refresh token'))
  expect(await walker.buy(token), APPLES)
  await walker.logout(token)
  expect(await walker.refusal(token), 'token_revoked')
}

function expect(found: unknown, wanted: unknown): void {
  const [one, other] = [found, wanted].map((each) => JSON.stringify(each))
  if (one !== other) throw new Error(`${one} in place of ${other}`)
}
