import { randomBytes } from 'node:crypto'

/** A new opaque id: 128 random bits in base64url. */
export function newId(): string {
  return randomBytes(16).toString('base64url')
}

/** Whether the text has the form of such an id. */
export function isId(text: string): boolean {
  return /^[\w-]{22}$/.test(text)
}
