import { statfsSync } from 'node:fs'

/** A commit changes far less than this, and others who write to the disk need some seconds to fill it. */
const SPARE_BYTES = 16 * 1024 * 1024

/**
 * Throws if the disk of the folder is nearly full. LMDB may end the process when one of its own writes finds no room, so that write
 * is never begun.
 */
export function demandRoom(dir: string): void {
  const { bavail, bsize, blocks } = statfsSync(dir)
  const isKnown = blocks > 0 // some file systems do not say
  if (isKnown && bavail * bsize < SPARE_BYTES) throw new Error('the disk is full')
}
