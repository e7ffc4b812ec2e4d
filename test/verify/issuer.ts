import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { Test } from 'tap'
import { createVerifier, type Verifier, type VerifierOptions } from '@latchkey/verify'
import { eventually } from '../support/settle.ts'

// What stands where a Latchkey should, and does what a real one never does.

export const ISSUER = 'https://issuer.example'
export const AUDIENCE = 'https://api.example'

/** A key pair, with its public half as a JWKS has it. */
export interface Pair {
  readonly jwk: object
  /** A token of a person, as a Latchkey of these names issues it. */
  readonly issue: (claims?: Record<string, unknown>) => Promise<string>
}

export async function makePair(kid: string): Promise<Pair> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const now = Math.floor(Date.now() / 1000)
  const exp = now + 3600 // files that run combined wait for each other: minutes
  const standing = { iss: ISSUER, aud: AUDIENCE, sub: 'ada', client_id: 'first-party', iat: now, exp }
  const person = { sid: 's', gen: 0, rtc: 0, auth_time: now, amr: ['pwd'], acr: 'aal1' }
  let issued = 0
  return {
    jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' },
    issue: (claims = {}) =>
      new SignJWT({ ...standing, ...person, jti: `${kid}-${(issued += 1)}`, ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
        .sign(privateKey),
  }
}

export type Answering = (request: IncomingMessage, response: ServerResponse) => void

/** A server on 127.0.0.1 that answers as told. */
export interface Listener {
  readonly url: string
  /** What it has been asked for so far. */
  readonly heard: string[]
  answering: Answering
  readonly stop: () => Promise<void>
}

export async function listen(t: Test, answering: Answering): Promise<Listener> {
  const server = createServer((request, response) => {
    heard.push(String(request.url))
    listener.answering(request, response)
  })
  const heard: string[] = []
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const stop = async () => {
    server.closeAllConnections()
    if (server.listening) await once(server.close(), 'close')
  }
  t.teardown(stop)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const listener: Listener = { url, heard, answering, stop }
  return listener
}

/** Publishes these keys. */
export function jwksOf(pairs: readonly Pair[], headers: Record<string, string> = {}): Answering {
  return saying(200, { keys: pairs.map(({ jwk }) => jwk) }, headers)
}

/** Answers everything with this; an object as JSON. */
export function saying(status: number, body: unknown, headers: Record<string, string> = {}): Answering {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return (_request, response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text)
}

/** A verifier that asks there, closed with the test. */
export function verifierAt(t: Test, baseUrl: string, options: Partial<VerifierOptions> = {}): Verifier {
  const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, freshness: 'signature', baseUrl, ...options })
  t.teardown(verifier.close)
  return verifier
}

/** What came of it: `ok`, or the status and the code of the refusal. */
export async function outcomeOf(verification: Promise<unknown>): Promise<string> {
  try {
    await verification
    return 'ok'
  } catch (error) {
    const { name, status, code = '' } = error as { name: string; status?: number; code?: string }
    return status === undefined ? `${name}: ${(error as Error).message}` : `${status} ${code}`.trim()
  }
}

/** The same once it is known: on a busy machine a service may not answer in 300 ms, and then it is asked again. */
export async function knownOutcomeOf(verify: () => Promise<unknown>): Promise<string> {
  return eventually(async () => unless503(await outcomeOf(verify())), { within: 20_000 })
}

const unless503 = (outcome: string) => (outcome === '503' ? null : outcome)
