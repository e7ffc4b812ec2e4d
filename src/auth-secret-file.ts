import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeOnce } from './store/data-folder.ts'

/**
 * The secret an embedded store keeps beside its data, in a folder that is there, made at the first start. Of several
 * processes that start at once one makes it, all read the same.
 */
export async function keepAuthSecret(dir: string): Promise<Buffer> {
  const path = join(dir, 'auth-secret')
  await makeOnce(path, randomBytes(32).toString('base64url'))
  const secret = Buffer.from((await readFile(path, 'utf8')).trim(), 'base64url')
  if (secret.length < 32)
    throw new Error('The file auth-secret in DATA_DIR is damaged: restore it, refresh tokens depend on it.')
  return secret
}
