import { serve } from '../../src/commands/serve.ts'
import { readConfig } from '../../src/config/environment.ts'
import { openOutput } from '../../src/process/output.ts'
import { cheapHashing } from './hashing.ts'
import { makeWatched } from './watched-store.ts'

// An instance that kills itself, as kill -9 does: before or after (DIES) the commit, of those that write or delete a key like DIES_AT,
// that is number DIES_ON.

const { DIES, DIES_AT = '', DIES_ON } = process.env
const isLike = new RegExp(DIES_AT)
const watched = makeWatched()
let commits = 0

async function die(): Promise<void> {
  process.kill(process.pid, 'SIGKILL')
  await new Promise(() => {})
}

watched.watch = async (command, run) => {
  if (command.kind !== 'commit') return run()
  const written = [
    ...command.commit.puts.map(({ key }) => `put ${key}`),
    ...command.commit.deletes.map((key) => `delete ${key}`),
  ]
  const isTheOne = written.some((each) => isLike.test(each)) && (commits += 1) === Number(DIES_ON)
  if (isTheOne && DIES === 'before') await die()
  const result = await run()
  if (isTheOne) await die()
  return result
}

await serve(readConfig(process.env), openOutput('stdout'), [], { hashing: cheapHashing(), store: watched.around })
