import { serve } from '../../src/commands/serve.ts'
import { readConfig } from '../../src/config/environment.ts'
import { openOutput } from '../../src/process/output.ts'
import { cheapHashing } from './hashing.ts'

// An instance whose hashes cost next to nothing, for tests that are not about them.

await serve(readConfig(process.env), openOutput('stdout'), [], { hashing: cheapHashing() })
