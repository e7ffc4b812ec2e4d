import { heyApi } from './hey-api'
import { openapiTypescript } from './openapi-typescript'
import { orval } from './orval'
import { swaggerTypescriptApi } from './swagger-typescript-api'
import { walk, type Walker } from './walk'

const url = process.env['LATCHKEY'] ?? ''
const walkers: Record<string, (url: string) => Walker> = {
  'openapi-typescript': openapiTypescript,
  orval,
  'hey-api': heyApi,
  'swagger-typescript-api': swaggerTypescriptApi,
}
for (const [name, open] of Object.entries(walkers)) {
  await walk(name, open(url))
  console.log(`${name} walks through a session`)
}
