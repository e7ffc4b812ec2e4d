import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { findProgram, type Program } from './debian.ts'

/** Finds Redis in PATH, else unpacks Debian's into the cache folder, without root; rejects with what to install. */
export function redisServer(): Promise<Program> {
  return findProgram({
    name: 'redis-server',
    packages: ['redis-tools'],
    path: 'usr/bin/redis-server',
    version: '--version',
    // Debian's server is one binary with redis-check-rdb, which needs no root and no other package's scripts.
    finish: (folder) => symlink('redis-check-rdb', join(folder, 'usr/bin/redis-server')),
    missing: 'No Redis server found: install redis-server (Debian, Ubuntu) or redis (elsewhere) and run this again.',
  })
}
