import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { makeOnce } from './data-folder.ts'
import { BadFolder, readOwnSecret } from './folder-access.ts'

const NAME = 'auth-secret'

/**
 * Reads the secret that the embedded store keeps beside its data, and makes it at the first start. The folder must exist. Of
 * several processes that start at once one makes the secret, and all read the same. Throws BadFolder if it is damaged or not
 * ours alone.
 */
export async function keepAuthSecret(dir: string): Promise<Buffer> {
  await makeOnce(join(dir, NAME), randomBytes(32).toString('base64url'))
  const secret = Buffer.from((await readOwnSecret(dir, NAME)).trim(), 'base64url')
  if (secret.length < 32) throw new BadFolder(`the file ${NAME} is damaged: restore it, refresh tokens depend on it.`)
  return secret
}
