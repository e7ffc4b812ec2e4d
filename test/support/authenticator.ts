import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { isoCBOR } from '@simplewebauthn/server/helpers'

// An authenticator in software, WebAuthn level 3 section 6: it makes real keys and real signatures, and lies where a test wants it to.

/** What a page may tell it, and what it may get wrong. */
export interface Ceremony {
  readonly origin?: string
  readonly rpId?: string
  readonly crossOrigin?: boolean
  readonly topOrigin?: string
  /** The flags of the authenticator data, but for those of the credential; UP and UV if absent. */
  readonly flags?: number
  readonly challenge?: string
  readonly userHandle?: string | null
  readonly type?: string
  readonly attestation?: Attestation
}

/** What attests the authenticator; `none` if absent. */
export interface Attestation {
  readonly fmt: string
  readonly attStmt: Readonly<Record<string, unknown>>
}

/** A passkey of an authenticator. */
export interface SoftPasskey {
  readonly id: string
  /** How often it has been used, as it tells. */
  counter: number
  /** Whether it is kept beyond its device, as it tells; only one that is synced can be. */
  backedUp: boolean
  /** Answers the options of a registration once more, as no honest authenticator does that was told to exclude it. */
  readonly attest: (publicKey: any, ceremony?: Ceremony) => Record<string, any>
  /** Answers the options of an assertion. */
  readonly assert: (publicKey: any, ceremony?: Ceremony) => Record<string, any>
}

/** What a passkey is: on several devices or on one, with a counter or without, and its signatures. */
export interface Kind {
  readonly synced?: boolean
  readonly counts?: boolean
  readonly algorithm?: Algorithm
}

export type Algorithm = 'ES256' | 'EdDSA' | 'RS256'

export const FLAGS = { UP: 1, UV: 4, BE: 8, BS: 16, AT: 64 }
const PRESENT = FLAGS.UP | FLAGS.UV
const ORIGIN = 'http://localhost:3000'

/** Makes a passkey by the options of a registration: the passkey, and what a page sends. */
export function makePasskey(
  publicKey: any,
  { synced = false, counts = true, algorithm = 'ES256', ...ceremony }: Ceremony & Kind = {},
): { readonly passkey: SoftPasskey; readonly response: Record<string, any> } {
  const key = makeKey(algorithm)
  const id = randomBytes(32)
  const credential = Buffer.concat([Buffer.alloc(16), Buffer.from([0, id.length]), id, key.cose])
  const named = { id: text(id), rawId: text(id), type: 'public-key', clientExtensionResults: {} }
  const flagsOf = ({ flags = PRESENT }: Ceremony) => flags | (synced ? FLAGS.BE | (passkey.backedUp ? FLAGS.BS : 0) : 0)
  const passkey: SoftPasskey = {
    id: named.id,
    counter: 0,
    backedUp: synced,
    attest(options, told = {}) {
      const authData = authenticatorData(told.rpId ?? options.rp.id, flagsOf(told) | FLAGS.AT, passkey.counter)
      const attestationObject = attestationOf(Buffer.concat([authData, credential]), told.attestation)
      const clientDataJSON = clientData('webauthn.create', options.challenge, told)
      return { ...named, response: { clientDataJSON, attestationObject, transports: ['internal'] } }
    },
    assert(options, told = {}) {
      if (counts) passkey.counter += 1
      const authData = authenticatorData(told.rpId ?? options.rpId, flagsOf(told), passkey.counter)
      const clientDataJSON = clientData('webauthn.get', options.challenge, told)
      const hash = createHash('sha256').update(Buffer.from(clientDataJSON, 'base64url')).digest()
      const signature = text(key.sign(Buffer.concat([authData, hash])))
      const { userHandle = publicKey.user.id } = told
      const response = { clientDataJSON, authenticatorData: text(authData), signature }
      return { ...named, response: { ...response, ...(userHandle === null ? {} : { userHandle }) } }
    },
  }
  return { passkey, response: passkey.attest(publicKey, ceremony) }
}

/** A key of this algorithm: its COSE form, RFC 9053 and RFC 8230, and what it signs. */
function makeKey(algorithm: Algorithm): { readonly cose: Buffer; readonly sign: (data: Buffer) => Buffer } {
  const { privateKey, publicKey } = GENERATE[algorithm]()
  const { x = '', y = '', n = '', e = '' } = publicKey.export({ format: 'jwk' })
  const bytes = (member: string) => new Uint8Array(Buffer.from(member, 'base64url'))
  const members = {
    ES256: [
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, bytes(x)],
      [-3, bytes(y)],
    ],
    EdDSA: [
      [1, 1],
      [3, -8],
      [-1, 6],
      [-2, bytes(x)],
    ],
    RS256: [
      [1, 3],
      [3, -257],
      [-1, bytes(n)],
      [-2, bytes(e)],
    ],
  }[algorithm]
  return {
    cose: Buffer.from(isoCBOR.encode(new Map(members as [number, any][]))),
    sign: (data) => sign(algorithm === 'EdDSA' ? null : 'sha256', data, privateKey),
  }
}

const GENERATE = {
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
}

function attestationOf(authData: Buffer, { fmt, attStmt }: Attestation = { fmt: 'none', attStmt: {} }): string {
  const members: [string, any][] = [
    ['fmt', fmt],
    ['attStmt', new Map(Object.entries(attStmt))],
    ['authData', new Uint8Array(authData)],
  ]
  return text(Buffer.from(isoCBOR.encode(new Map(members))))
}

function authenticatorData(rpId: string, flags: number, counter: number): Buffer {
  const rest = Buffer.alloc(5)
  rest.writeUInt8(flags, 0)
  rest.writeUInt32BE(counter, 1)
  return Buffer.concat([createHash('sha256').update(rpId).digest(), rest])
}

function clientData(usual: string, challenge: string, ceremony: Ceremony): string {
  const { origin = ORIGIN, crossOrigin = false, topOrigin, type = usual } = ceremony
  const data = {
    type,
    challenge: ceremony.challenge ?? challenge,
    origin,
    crossOrigin,
    ...(topOrigin && { topOrigin }),
  }
  return text(Buffer.from(JSON.stringify(data)))
}

function text(bytes: Buffer): string {
  return bytes.toString('base64url')
}
