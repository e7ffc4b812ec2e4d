/** The name and the secret of a client, as it sends them. */
export interface BasicCredentials {
  readonly id: string
  readonly secret: string
}

const BASIC = /^basic +([A-Za-z\d+/]+={0,2})$/i

/**
 * Reads the value of an Authorization header of the scheme Basic, whose two parts are encoded as in a form before they are joined, RFC
 * 6749 section 2.3.1. Null: it is none.
 */
export function readBasicCredentials(header: string): BasicCredentials | null {
  const [, encoded = ''] = BASIC.exec(header) ?? []
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon === -1) return null
  const [id, secret] = [text.slice(0, colon), text.slice(colon + 1)].map(decodeFormPart)
  return id && secret ? { id, secret } : null
}

/** Undoes the encoding of one part of a form; null: it is malformed. */
function decodeFormPart(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return null
  }
}
