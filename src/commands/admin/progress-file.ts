import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { Refusal } from '../../process/refusal.ts'
import type { Place } from './client.ts'

// How far an order has come, beside the file that it works on: whoever is killed goes on where it stopped.

/** Reads what `saveProgress` has written; null: there is none. Throws Refusal if it is of no use. */
export async function readProgress<T>(path: string): Promise<T | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new Refusal(`${path} cannot be read: ${error.code}.`)
  })
  try {
    return text === null ? null : (JSON.parse(text) as T)
  } catch {
    throw new Refusal(`${path} is not what this command has written. Remove it to begin anew.`)
  }
}

/** Writes it so that after a crash there is either this or what was there before. */
export async function saveProgress(path: string, progress: object): Promise<void> {
  const next = `${path}.next`
  const file = await open(next, 'w')
  try {
    await file.writeFile(JSON.stringify(progress))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(next, path)
}

/** Throws Refusal if the order was begun at another place: what was done there has not been done here. */
export function demandPlace(path: string, begunAt: Place, { url, key }: Place): void {
  if (begunAt.url === url && begunAt.key === key) return
  const begun = begunAt.url === url ? 'with another ADMIN_KEY' : `at ${begunAt.url}, not at ${url}`
  throw new Refusal(`This was begun ${begun}. Go on there, or remove ${path} to begin anew here.`)
}

export async function forgetProgress(path: string): Promise<void> {
  await rm(path, { force: true })
}

/** A digest of a whole file. */
export async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('base64url')
}
