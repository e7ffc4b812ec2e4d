import type {
  AuthenticationResponseJSON,
  AuthenticatorTransport,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'
import type { Deps } from '../../deps.ts'
import { CHALLENGE_MS } from '../../domain/challenge.ts'
import type { Passkey } from '../../domain/factors.ts'
import type { User } from '../../domain/user.ts'

// WebAuthn level 3, by the library, which is loaded with the first passkey that somebody uses. What a client sends is hostile: whatever
// the library throws about it means that it proves nothing.

/** What a browser is given and gives back, in JSON. */
export type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
}

/** The longest public key, as bytes of COSE: those of ML-DSA-44 have 1.3 KiB. The record of a user is read at every refresh. */
const MAX_KEY_BYTES = 2048

const load = async () => import('@simplewebauthn/server')

/** What a browser is given to ask for a passkey: one of these; none named: any that this service has made. */
export async function requestOptions(
  { config }: Deps,
  challenge: string,
  passkeys: readonly Passkey[] = [],
): Promise<PublicKeyCredentialRequestOptionsJSON> {
  const { generateAuthenticationOptions } = await load()
  return generateAuthenticationOptions({
    rpID: config.PASSKEY_RP_ID,
    challenge,
    allowCredentials: passkeys.map(descriptorOf),
    userVerification: 'required',
    timeout: CHALLENGE_MS,
  })
}

/** What a browser is given to make a passkey: discoverable, user verification demanded, attestation none. */
export async function creationOptions(
  { config }: Deps,
  challenge: string,
  { id, email, factors }: User,
): Promise<PublicKeyCredentialCreationOptionsJSON> {
  const { generateRegistrationOptions } = await load()
  return generateRegistrationOptions({
    rpName: config.SERVICE_NAME,
    rpID: config.PASSKEY_RP_ID,
    userID: new Uint8Array(Buffer.from(id)),
    userName: email,
    userDisplayName: email,
    challenge,
    excludeCredentials: (factors?.passkeys ?? []).map(descriptorOf),
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    attestationType: 'none',
    timeout: CHALLENGE_MS,
  })
}

/** The challenge that a response answers; null: it has none. */
export function challengeIn({ response: { clientDataJSON } }: RegistrationResponseJSON): string | null {
  try {
    const { challenge } = JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString('utf8'))
    return typeof challenge === 'string' ? Buffer.from(challenge, 'base64url').toString('utf8') : null
  } catch {
    return null
  }
}

/** What a passkey that was made has. */
export type Made = Pick<Passkey, 'credentialId' | 'publicKey' | 'counter' | 'transports' | 'isSynced' | 'isBackedUp'>

/** Verifies a passkey that was made for this challenge, section 7.1; null: it was not. */
export async function verifyRegistration(
  { config }: Deps,
  challenge: string,
  response: RegistrationResponseJSON,
): Promise<Made | null> {
  const { verifyRegistrationResponse } = await load()
  const verified = await withoutStatement(response)
    .then((bare) => verifyRegistrationResponse({ response: bare, ...expected(config, challenge) }))
    .catch(() => null)
  if (!verified?.verified || isFramed(response)) return null
  const { credential, credentialDeviceType, credentialBackedUp } = verified.registrationInfo
  if (credential.id !== response.id || credential.publicKey.length > MAX_KEY_BYTES) return null
  return {
    credentialId: credential.id,
    publicKey: Buffer.from(credential.publicKey).toString('base64url'),
    counter: credential.counter,
    transports: credential.transports ?? [],
    isSynced: credentialDeviceType === 'multiDevice',
    isBackedUp: credentialBackedUp,
  }
}

/**
 * The response of a client that heeds `attestation: none`, section 5.1.3: what the authenticator says of itself is left out. The library
 * would follow its certificates, and fetch from wherever they name. Rejects if the response is none.
 */
async function withoutStatement({ response, ...rest }: RegistrationResponseJSON): Promise<RegistrationResponseJSON> {
  const { decodeAttestationObject, isoBase64URL, isoCBOR } = await import('@simplewebauthn/server/helpers')
  const authData = decodeAttestationObject(isoBase64URL.toBuffer(response.attestationObject)).get('authData')
  const none = { fmt: 'none', attStmt: new Map(), authData }
  const attestationObject = isoBase64URL.fromBuffer(isoCBOR.encode(new Map(Object.entries(none))))
  return { ...rest, response: { ...response, attestationObject } }
}

/** What an assertion says of its passkey. */
export type Assertion = Pick<Passkey, 'counter' | 'isBackedUp'>

/** Verifies that this passkey has signed this challenge, section 7.2; null: it has not. Its counter is not judged. */
export async function verifyAssertion(
  { config }: Deps,
  { credentialId: id, publicKey }: Passkey,
  challenge: string,
  response: AuthenticationResponseJSON,
): Promise<Assertion | null> {
  const { verifyAuthenticationResponse } = await load()
  const credential = { id, publicKey: new Uint8Array(Buffer.from(publicKey, 'base64url')), counter: 0 } // 0: the library judges counters before signatures
  const verified = await verifyAuthenticationResponse({
    response,
    credential,
    ...expected(config, challenge),
  }).catch(() => null)
  if (!verified?.verified || isFramed(response)) return null
  const { newCounter, credentialBackedUp } = verified.authenticationInfo
  return { counter: newCounter, isBackedUp: credentialBackedUp }
}

function expected({ PASSKEY_ORIGINS, PASSKEY_RP_ID }: Deps['config'], challenge: string) {
  return {
    expectedChallenge: Buffer.from(challenge).toString('base64url'),
    expectedOrigin: [...PASSKEY_ORIGINS],
    expectedRPID: PASSKEY_RP_ID,
    requireUserVerification: true,
  }
}

/** Whether a page of another origin has framed the one that asked: the person may not have seen whom they answered. */
function isFramed({
  response: { clientDataJSON },
}: {
  readonly response: { readonly clientDataJSON: string }
}): boolean {
  return JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString('utf8')).crossOrigin === true
}

function descriptorOf({ credentialId: id, transports }: Passkey) {
  return { id, transports: transports as AuthenticatorTransport[] }
}
