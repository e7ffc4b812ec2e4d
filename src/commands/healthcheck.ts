import { get } from 'node:http'
import { readConfig } from '../config/environment.ts'
import { listenAddress } from '../process/listen-address.ts'

// The health check of the container: exits 0 if the service of this environment is alive, otherwise 1, with a line. It is no
// command of main.ts, which would load the whole service every few seconds.

/** Less than the three seconds that the image gives a health check. */
const TIMEOUT_MS = 2000
/** A service that listens on one of these listens on every address, 127.0.0.1 among them. */
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
