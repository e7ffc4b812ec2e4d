import type { Command } from './commands/command.ts'
import { readConfig } from './config/environment.ts'
import { exit } from './process/exit.ts'
import { openOutput } from './process/output.ts'
import { messageFor, Refusal } from './process/refusal.ts'

/** A command is loaded when it is due: a configuration that is refused is told at once. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  serve: async () => (await import('./commands/serve.ts')).serve,
  'rotate-keys': async () => (await import('./commands/rotate-keys.ts')).rotateKeys,
  admin: async () => (await import('./commands/admin/admin.ts')).admin,
  'revoke-everything': async () => (await import('./commands/revoke-everything.ts')).revokeEverything,
}
const name = process.argv[2] ?? 'serve'
const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
const output = openOutput('stdout')

process.umask(0o077) // files are readable by the user of this process only
try {
  if (load === undefined) throw new Refusal(`Usage: main.js [${Object.keys(COMMANDS).join(' | ')}]`)
  const config = readConfig(process.env)
  const command = await load()
  await command(config, output, process.argv.slice(3))
  if (name !== 'serve') await exit(0, output)
} catch (error) {
  const errors = openOutput('stderr')
  errors.write(`${messageFor(error as Error)}\n`)
  await exit(error instanceof Refusal ? error.exitCode : 1, output, errors)
}
