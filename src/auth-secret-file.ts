import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * The secret an embedded store keeps beside its data, made at the first start. Of several processes that start at once
 * one makes it, all read the same.
 */
export async function keepAuthSecret(dir: string): Promise<Buffer> {
  const path = join(dir, 'auth-secret')
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  await writeFile(draft, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx', flush: true })
  await link(draft, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await rm(draft)
  const secret = Buffer.from((await readFile(path, 'utf8')).trim(), 'base64url')
  if (secret.length < 32)
    throw new Error('The file auth-secret in DATA_DIR is damaged: restore it, refresh tokens depend on it.')
  return secret
}
