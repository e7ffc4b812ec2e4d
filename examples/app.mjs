import { readFile, rm, writeFile } from 'node:fs/promises'
import { createClient } from '@latchkey/client'

const file = 'refresh-token' // on a phone: Keychain, Keystore
const storage = {
  get: () => readFile(file, 'utf8').catch((error) => (error.code === 'ENOENT' ? null : Promise.reject(error))),
  set: (token) => (token === null ? rm(file, { force: true }) : writeFile(file, token, { mode: 0o600, flush: true })),
}
const client = createClient({ baseUrl: 'http://localhost:3000', transport: 'body', storage })
if (!(await client.resume())) await client.login({ email: process.argv[2], password: process.argv[3] })
console.log(await client.fetch('/v1/me').then((answer) => answer.text()))
