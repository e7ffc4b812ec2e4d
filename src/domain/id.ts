import { randomBytes } from 'node:crypto'

/** Makes a new opaque id: 128 random bits in base64url, 22 characters. */
export function newId(): string {
  return randomBytes(16).toString('base64url')
}

/** Whether the text has the form of an id that `newId` makes. */
export function isId(text: string): boolean {
  return /^[\w-]{22}$/.test(text)
}
