import { serve } from '../../src/commands/serve.ts'
import { readConfig } from '../../src/config/environment.ts'
import { openOutput } from '../../src/process/output.ts'
import type { Store } from '../../src/store/store.ts'
import { cheapHashing } from '../support/hashing.ts'
import { type Broken, breakStore } from './broken.ts'

// An instance on a store with one part broken: BROKEN names the part.

const broken = process.env['BROKEN'] as Broken
const instead = { hashing: cheapHashing(), store: (real: Store) => breakStore(real, broken) }
await serve(readConfig(process.env), openOutput('stdout'), [], instead)
