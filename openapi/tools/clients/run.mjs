import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Four generators make a client each from openapi.json; all are compiled, and each walks through a session with the service.

process.chdir(new URL('..', import.meta.url).pathname)
const made = 'clients/made'
const dir = mkdtempSync(join(tmpdir(), 'latchkey-generated-'))
const port = await freePort()
const url = `http://localhost:${port}`
const env = { ...process.env, LATCHKEY: url, DO_NOT_TRACK: '1' }
const run = (command, ...args) =>
  execFileSync(`node_modules/.bin/${command}`, args, { env, stdio: ['ignore', 'ignore', 'inherit'] })

rmSync(made, { recursive: true, force: true })
run(
  'openapi-typescript',
  '../openapi.json',
  '--default-non-nullable',
  'false',
  '--output',
  `${made}/openapi-typescript.ts`,
)
run('orval', '--config', './clients/orval.config.ts')
run('openapi-ts', '--input', '../openapi.json', '--output', `${made}/hey-api`)
run(
  'swagger-typescript-api',
  'generate',
  '--path',
  '../openapi.json',
  '--output',
  made,
  '--name',
  'swagger-typescript-api.ts',
)
run('tsc', '--project', 'clients')
run(
  '../../../../node_modules/.bin/esbuild',
  'clients/main.ts',
  '--bundle',
  '--platform=node',
  '--format=esm',
  '--log-level=warning',
  `--outfile=${dir}/main.mjs`,
)

const settings = { PATH: process.env.PATH, HOME: process.env.HOME, PORT: `${port}`, DATA_DIR: join(dir, 'data') }
const service = spawn(process.execPath, ['../../dist/main.js'], { env: settings, stdio: ['ignore', 'pipe', 'inherit'] })
try {
  for await (const chunk of service.stdout) if (`${chunk}`.includes('"msg":"ready"')) break
  execFileSync(process.execPath, [`${dir}/main.mjs`], { env, stdio: 'inherit' })
} finally {
  service.kill()
  await once(service, 'exit')
  rmSync(dir, { recursive: true })
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}
