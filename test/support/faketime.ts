import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findLibrary } from './debian.ts'

/** A wall clock that processes started with `env` share; their timers (the monotonic clock) go on as they are. */
export type FakeTime = {
  readonly env: Record<string, string>
  /** Sets how far ahead of the real time it is, in seconds; running processes follow at once. */
  readonly shift: (seconds: number) => Promise<void>
  readonly stop: () => Promise<void>
}

/** Makes a clock that is `seconds` ahead of the real one. */
export async function makeFakeTime(seconds = 0): Promise<FakeTime> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-time-'))
  const file = join(dir, 'now')
  const shift = async (ahead: number) => {
    await writeFile(`${file}.next`, `${ahead < 0 ? '-' : '+'}${Math.abs(ahead)}\n`)
    await rename(`${file}.next`, file)
  }
  await shift(seconds)
  return {
    env: {
      // The C library's malloc before Redis's jemalloc, which asks for the time before there is a false one to tell.
      LD_PRELOAD: `${await findLibrary('libfaketime', 'faketime/libfaketime.so.1')} libc.so.6`,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    },
    shift,
    stop: () => rm(dir, { recursive: true, force: true }),
  }
}
