import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
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
}

/** A passkey of an authenticator. */
export interface SoftPasskey {
  readonly id: string
  /** How often it has been used, as it tells; 0: it does not count. */
  counter: number
  /** Answers the options of an assertion. */
  readonly assert: (publicKey: any, ceremony?: Ceremony) => Record<string, any>
}

export const FLAGS = { UP: 1, UV: 4, BE: 8, BS: 16, AT: 64 }
const PRESENT = FLAGS.UP | FLAGS.UV
const ORIGIN = 'http://localhost:3000'

/** Makes a passkey by the options of a registration: the passkey, and what a page sends. `synced`: it may be on several devices. */
export function makePasskey(
  publicKey: any,
  { synced = false, counts = true, ...ceremony }: Ceremony & { synced?: boolean; counts?: boolean } = {},
): { readonly passkey: SoftPasskey; readonly response: Record<string, any> } {
  const { privateKey, publicKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const id = randomBytes(32)
  const state = synced ? FLAGS.BE | FLAGS.BS : 0
  const rpId = ceremony.rpId ?? publicKey.rp.id
  const length = Buffer.from([0, id.length])
  const credential = Buffer.concat([Buffer.alloc(16), length, id, coseKey(key)])
  const flags = (ceremony.flags ?? PRESENT) | state | FLAGS.AT
  const authData = Buffer.concat([authenticatorData(rpId, flags, 0), credential])
  const attestation = isoCBOR.encode(
    new Map<string, any>([
      ['fmt', 'none'],
      ['attStmt', new Map()],
      ['authData', new Uint8Array(authData)],
    ]),
  )
  const response = {
    id: text(id),
    rawId: text(id),
    type: 'public-key',
    clientExtensionResults: {},
    response: {
      clientDataJSON: clientData('webauthn.create', publicKey.challenge, ceremony),
      attestationObject: text(Buffer.from(attestation)),
      transports: ['internal'],
    },
  }
  return { passkey: softPasskey(id, privateKey, { state, counts, userId: publicKey.user.id }), response }
}

function softPasskey(
  id: Buffer,
  key: KeyObject,
  { state, counts, userId }: { state: number; counts: boolean; userId: string },
): SoftPasskey {
  const passkey: SoftPasskey = {
    id: text(id),
    counter: 0,
    assert(publicKey, ceremony = {}) {
      if (counts) passkey.counter += 1
      const flags = (ceremony.flags ?? PRESENT) | state
      const authData = authenticatorData(ceremony.rpId ?? publicKey.rpId, flags, passkey.counter)
      const clientDataJSON = clientData('webauthn.get', publicKey.challenge, ceremony)
      const hash = createHash('sha256').update(Buffer.from(clientDataJSON, 'base64url')).digest()
      const userHandle = ceremony.userHandle === undefined ? userId : ceremony.userHandle
      return {
        id: text(id),
        rawId: text(id),
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON,
          authenticatorData: text(authData),
          signature: text(sign('sha256', Buffer.concat([authData, hash]), key)),
          ...(userHandle === null ? {} : { userHandle }),
        },
      }
    },
  }
  return passkey
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

/** The COSE key of an ES256 key, RFC 9053 section 7.1. */
function coseKey(key: KeyObject): Buffer {
  const { x = '', y = '' } = key.export({ format: 'jwk' })
  const bytes = (member: string) => new Uint8Array(Buffer.from(member, 'base64url'))
  const members = new Map<number, any>([
    [1, 2],
    [3, -7],
    [-1, 1],
    [-2, bytes(x)],
    [-3, bytes(y)],
  ])
  return Buffer.from(isoCBOR.encode(members))
}

function text(bytes: Buffer): string {
  return bytes.toString('base64url')
}
