import { readSecret } from '../domain/random-secret.ts'

/** A key of the operator's listener. */
export interface AdminKey {
  readonly name: string
  /** Whether it may export the hashes of passwords. */
  readonly mayExport: boolean
  readonly key: string
}

const FORM = /^([\w.-]{1,64})(\+export)?=([\w-]+)$/

/** Reads `name=key` or `name+export=key`; null: it is neither, or the key does not look random. */
export function readAdminKey(text: string): AdminKey | null {
  const [, name = '', scope, key = ''] = FORM.exec(text) ?? []
  return readSecret(key) === null ? null : { name, mayExport: scope !== undefined, key }
}
