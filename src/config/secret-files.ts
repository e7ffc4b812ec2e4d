import { readFileSync } from 'node:fs'

/** Each of these can be named by a file: `NAME_FILE` beside `NAME`, as containers hand secrets out. */
export const SECRETS = ['AUTH_SECRET', 'REDIS_URL'] as const

type Values = Readonly<Record<string, string | undefined>>

/** Values by name, the secrets' from their files, and what is wrong with those files by the name of the secret. */
export interface WithSecrets {
  readonly values: Values
  readonly faults: ReadonlyMap<string, string>
}

/** Reads the files that are named, trimmed. No fault tells a path or anything of a file. */
export function readSecretFiles(given: Values): WithSecrets {
  const values = { ...given }
  const faults = new Map<string, string>()
  for (const name of SECRETS) {
    const path = given[`${name}_FILE`]
    if (path === undefined) continue
    const found = readSecretFile(path)
    if (given[name] !== undefined) faults.set(name, `and ${name}_FILE are both set: unset one`)
    else if ('fault' in found) faults.set(name, `cannot be read: ${name}_FILE ${found.fault}`)
    else values[name] = found.secret
  }
  return { values, faults }
}

function readSecretFile(path: string): { readonly secret: string } | { readonly fault: string } {
  try {
    const secret = readFileSync(path, 'utf8').trim()
    return secret === '' ? { fault: 'is an empty file' } : { secret }
  } catch (error) {
    return { fault: `says ${(error as NodeJS.ErrnoException).code}` }
  }
}
