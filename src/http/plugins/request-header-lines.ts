import type { IncomingMessage } from 'node:http'

/** The values of all lines of a header, by its name in lower case: for headers that a request may have only once. */
export function headerLines({ rawHeaders }: IncomingMessage, name: string): readonly string[] {
  const values: string[] = []
  for (let place = 0; place < rawHeaders.length; place += 2) {
    const other = rawHeaders[place] as string
    if (other.length === name.length && other.toLowerCase() === name) values.push(rawHeaders[place + 1] as string)
  }
  return values
}
