import type { Command } from './commands/command.ts'
import { revokeEverything } from './commands/revoke-everything.ts'
import { rotateKeys } from './commands/rotate-keys.ts'
import { serve } from './commands/serve.ts'
import { exit } from './process/exit.ts'
import { openOutput } from './process/output.ts'
import { messageFor, Refusal } from './process/refusal.ts'

const COMMANDS: Record<string, Command> = {
  serve,
  'rotate-keys': rotateKeys,
  'revoke-everything': revokeEverything,
}
const name = process.argv[2] ?? 'serve'
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
const output = openOutput('stdout')

process.umask(0o077) // files are readable by the user of this process only
try {
  if (command === undefined) throw new Refusal(`Usage: main.js [${Object.keys(COMMANDS).join(' | ')}]`)
  await command(process.argv.slice(3), output)
  if (command !== serve) await exit(0, output)
} catch (error) {
  const errors = openOutput('stderr')
  errors.write(`${messageFor(error as Error)}\n`)
  await exit(1, output, errors)
}
