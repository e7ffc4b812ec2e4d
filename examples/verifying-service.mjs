import { createServer } from 'node:http'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const issuer = 'http://localhost:3000' // ISSUER; also the audience, unless AUDIENCE is set
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`))
const rules = { issuer, audience: issuer, typ: 'at+jwt', algorithms: ['ES256'], clockTolerance: 10 }

createServer((request, answer) => void tellWhoCalls(request, answer)).listen(4000)

async function tellWhoCalls({ headers }, answer) {
  const [, token = ''] = /^Bearer +(.+)$/i.exec(headers.authorization) ?? []
  try {
    const { payload } = await jwtVerify(token, keys, rules)
    answer.end(`${payload.sub}\n`)
  } catch ({ code }) {
    const isRefused = /^ERR_J(?!OSE_GENERIC|WKS_TIMEOUT|WKS_INVALID)/.test(code) // else the keys could not be fetched
    answer.writeHead(isRefused ? 401 : 503).end()
  }
}
