import { readFileSync } from 'node:fs'

/** The variables that a file can hold, as containers hand out secrets: `NAME_FILE` names the file. */
export const SECRETS = ['AUTH_SECRET', 'REDIS_URL', 'MAIL_URL', 'ADMIN_KEYS', 'ADMIN_KEY'] as const

type Values = Readonly<Record<string, string | undefined>>

/** The values of the variables, secrets from their files among them, and by the name of a secret what is wrong with its file. */
export interface WithSecrets {
  readonly values: Values
  readonly faults: ReadonlyMap<string, string>
}

/** Reads the files that the variables name, trimmed. No fault shows a path or the content of a file. */
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
