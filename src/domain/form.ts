/** The parameters of a form. Those that may be repeated are lists. */
export type Form = Readonly<Record<string, string | readonly string[]>>

/**
 * Reads `application/x-www-form-urlencoded`. A parameter without a value counts as absent, RFC 6749 section 3.2; of those in `lists` a
 * form may have several. Null: another one is there twice.
 */
export function readForm(text: string, lists: readonly string[]): Form | null {
  const form = new Map<string, string>()
  const listed = new Map(lists.map((name): [string, string[]] => [name, []]))
  for (const [name, value] of new URLSearchParams(text)) {
    if (form.has(name)) return null
    if (!listed.has(name)) form.set(name, value)
    else if (value !== '') listed.get(name)?.push(value)
  }
  return Object.fromEntries([...[...form].filter(([, value]) => value !== ''), ...listed])
}
