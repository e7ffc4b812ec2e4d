import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { makeOnce } from './data-folder.ts'
import { BadFolder, readOwnSecret } from './folder-access.ts'

const NAME = 'auth-secret'

/**
 * The secret an embedded store keeps beside its data, in a folder that is there, made at the first start. Of several
 * processes that start at once one makes it, all read the same.
 */
export async function keepAuthSecret(dir: string): Promise<Buffer> {
  await makeOnce(join(dir, NAME), randomBytes(32).toString('base64url'))
  const secret = Buffer.from((await readOwnSecret(dir, NAME)).trim(), 'base64url')
  if (secret.length < 32) throw new BadFolder(`the file ${NAME} is damaged: restore it, refresh tokens depend on it.`)
  return secret
}
