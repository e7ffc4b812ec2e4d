import type { Test } from 'tap'

/**
 * Makes the process of this test file end at once when its tests are over. Node 20 otherwise frees first what the process has left,
 * and after many sockets that were cut off it has been seen to do so for ever (Environment::CleanupHandles).
 */
export function exitPlainly(t: Test): void {
  t.teardown(() => void process.once('exit', () => process.exit()))
}
