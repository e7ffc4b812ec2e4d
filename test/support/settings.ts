import { readConfig } from '../../src/config/environment.ts'
import { TEST_SECRET } from './env.ts'

/** What a start says of these settings, a line each, without the first line; nothing if it is content. */
export function complaints(env: Record<string, string>): string[] {
  try {
    readConfig({ AUTH_SECRET: TEST_SECRET, ...env })
    return []
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'InvalidConfig') throw error
    return error.message.split('\n').slice(1)
  }
}

/** The variables that those lines begin with. */
export function namesIn(lines: readonly string[]): (string | undefined)[] {
  return lines.map((line) => /^ {2}([A-Z_\d]+) \S/.exec(line)?.[1])
}
