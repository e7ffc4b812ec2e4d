import { compose } from '../../src/compose.ts'
import { readConfig } from '../../src/config/environment.ts'
import { buildApp } from '../../src/http/app.ts'
import { makeLogger } from '../../src/process/log.ts'
import { openOutput } from '../../src/process/output.ts'
import { makeReadiness } from '../../src/process/readiness.ts'
import { type Broken, breakStore } from './broken.ts'

// An instance on a store with one part broken: BROKEN names the part.

const config = readConfig(process.env)
const logger = makeLogger(config.LOG_LEVEL, openOutput('stdout'))
const { deps } = await compose(config, logger, { store: (real) => breakStore(real, process.env['BROKEN'] as Broken) })
const isDraining = () => false
const checkReadiness = makeReadiness(deps, isDraining, logger)
const app = await buildApp(deps, { logger, isDraining, checkReadiness })
await app.listen({ host: config.HOST, port: config.PORT })
