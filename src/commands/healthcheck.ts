import { get } from 'node:http'
import { readConfig } from '../config/environment.ts'
import { listenAddress } from '../process/listen-address.ts'

// For the container: exits 0 if the service of this environment is alive, 1 with a line if it is not. A process of its own,
// because it is started every few seconds: main.ts would load all of the service.

/** Less than the patience of the image, which is three seconds. */
const TIMEOUT_MS = 2000
/** Who listens on every address listens here. */
const EVERY_ADDRESS = new Set(['0.0.0.0', '::'])

function fail(reason: string): never {
  process.stderr.write(`not alive: ${reason}\n`)
  process.exit(1)
}

try {
  const { HOST, PORT } = readConfig(process.env)
  const address = await listenAddress(HOST)
  const host = EVERY_ADDRESS.has(address) ? '127.0.0.1' : address
  const asked = get({ host, port: PORT, path: '/livez', headers: { host: 'localhost' }, timeout: TIMEOUT_MS })
  asked.on('timeout', () => fail('no answer'))
  asked.on('error', ({ message }) => fail(message))
  asked.on('response', ({ statusCode }) => (statusCode === 200 ? process.exit(0) : fail(`${statusCode}`)))
} catch (error) {
  fail((error as Error).message)
}
