import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader } from 'jose'

// Tokens put together by hand, each of which differs in one thing from one that lets its bearer in. Whoever verifies tokens refuses them.

export type Json = Record<string, unknown>

/** What is wrong with it, and the text. */
export type Forgery = readonly [what: string, token: string]

/** What forgers work from: all that is public, and the private key, which no attacker has. */
export interface Originals {
  /** A live token of ours, by ES256, and of somebody else. */
  readonly token: string
  readonly neighbours: string
  readonly privatePem: string
  readonly publicPem: string
  /** The public key as the JWKS has it. */
  readonly published: Json
  /** Where the attacker publishes a key. */
  readonly url: string
}

type Sign = (input: string) => string

/** A key pair that is not ours. */
export const attacker = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const attackerPem = attacker.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

export const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

export const es256 =
  (privatePem: string): Sign =>
  (input) =>
    signBytes('sha256', Buffer.from(input), { key: privatePem, dsaEncoding: 'ieee-p1363' }).toString('base64url')
export const byAttacker = es256(attackerPem)

const hmac =
  (alg: string, secret: string | Buffer): Sign =>
  (input) =>
    createHmac(alg.replace('HS', 'sha'), secret).update(input).digest('base64url')

/** The token with another header and payload, signed as told; what is undefined is left out. */
export function forge(token: string, header: Json, claims: Json, sign: Sign): string {
  const input = `${encode({ ...decodeProtectedHeader(token), ...header })}.${encode({ ...decodeJwt(token), ...claims })}`
  return `${input}.${sign(input)}`
}

const say = (value: unknown) => JSON.stringify(value)?.slice(0, 60) ?? 'absent'

/** The forgeries, by the attack. */
export const ATTACKS: Readonly<Record<string, (originals: Originals) => Iterable<Forgery>>> = {
  'alg none is refused in any spelling, with and without a signature': algNone,
  'an HMAC made with the public key is refused, in any form': publicKeyAsSecret,
  'another algorithm than the configured one is refused, with our key or another': otherAlgorithms,
  'a kid is a map key and nothing else': oddNames,
  'a key brought along in jwk, jku, x5u or x5c is ignored': keysBroughtAlong,
  'crit and b64 are refused even under our own signature': criticalHeaders,
  'a plain JWT of ours is no access token': otherTypes,
  'the signature is checked before any claim is believed': otherSignatures,
  'only the one legal form is a token: no padding, no space inside or after it, no other alphabet': spellings,
}

function* algNone({ token }: Originals): Iterable<Forgery> {
  const [, , signature = ''] = token.split('.')
  for (const alg of ['none', 'None', 'NONE', 'nOnE', 'none ', '', null, undefined, ['none'], 'ES256,none'])
    for (const last of ['', signature, 'AA']) yield [`${say(alg)} ${last}`, forge(token, { alg }, {}, () => last)]
}

function* publicKeyAsSecret({ token, publicPem, published }: Originals): Iterable<Forgery> {
  for (const secret of spellingsOf(createPublicKey(publicPem), published)) {
    for (const alg of ['HS256', 'HS384', 'HS512'])
      yield [`${alg} ${secret.toString().slice(0, 20)}`, forge(token, { alg }, {}, hmac(alg, secret))]
    yield ['under our own alg', forge(token, {}, {}, hmac('HS256', secret))]
  }
}

/** The ways to write a public key that somebody could use as a secret. */
function spellingsOf(publicKey: KeyObject, published: Json): (string | Buffer)[] {
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const der = publicKey.export({ type: 'spki', format: 'der' })
  const jwk = publicKey.export({ format: 'jwk' })
  return [
    pem,
    pem.trimEnd(),
    ` ${pem}`,
    `\n${pem}`,
    pem.replaceAll('\n', '\r\n'),
    pem.replaceAll('\n', ''),
    pem.replace(/-----[^-]+-----|\n/g, ''),
    der,
    der.subarray(-65),
    der.subarray(-64),
    JSON.stringify(jwk),
    JSON.stringify(published),
    JSON.stringify(jwk, null, 2),
    `${jwk.x}${jwk.y}`,
    Buffer.from(jwk.x ?? '', 'base64url'),
    String(published['kid']),
    '',
  ]
}

function* otherAlgorithms({ token, privatePem }: Originals): Iterable<Forgery> {
  for (const alg of ['ES384', 'ES512', 'RS256', 'PS256', 'EdDSA', 'es256', 'ES256K', 'HS256'])
    yield [alg, forge(token, { alg }, {}, es256(privatePem))]
  const ed = generateKeyPairSync('ed25519').privateKey
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const sign = (digest: string | null, key: KeyObject | string) => (input: string) =>
    signBytes(digest, Buffer.from(input), key).toString('base64url')
  yield ['EdDSA by another key', forge(token, { alg: 'EdDSA' }, {}, sign(null, ed))]
  yield ['RS256 by another key', forge(token, { alg: 'RS256' }, {}, sign('sha256', rsa))]
  yield ['a DER signature is no JOSE signature', forge(token, {}, {}, sign('sha256', privatePem))]
  yield ['r = s = 0 (psychic signature)', forge(token, {}, {}, () => Buffer.alloc(64).toString('base64url'))]
}

function* oddNames({ token, privatePem }: Originals): Iterable<Forgery> {
  const kids = [
    undefined,
    null,
    '',
    0,
    {},
    [],
    [decodeProtectedHeader(token).kid],
    '__proto__',
    'constructor',
    'toString',
    '../../../../dev/null',
    'file:///etc/passwd',
    "' or 1=1 --",
    'x'.repeat(2000),
    '\u0000',
  ]
  for (const kid of kids) {
    yield [say(kid), forge(token, { kid }, {}, es256(privatePem))]
    yield [`${say(kid)} and an empty secret`, forge(token, { kid, alg: 'HS256' }, {}, hmac('HS256', ''))]
  }
  yield ["our kid, the attacker's key", forge(token, {}, {}, byAttacker)]
}

function* keysBroughtAlong({ token, url }: Originals): Iterable<Forgery> {
  const jwk = { ...attacker.publicKey.export({ format: 'jwk' }), kid: 'evil', alg: 'ES256', use: 'sig' }
  const x5c = [attacker.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')]
  const headers = [
    { jwk },
    { jku: url },
    { x5u: url },
    { x5c },
    { jku: url, x5u: url, jwk, x5c },
    { jku: url, kid: url },
  ]
  for (const header of headers)
    for (const kid of [decodeProtectedHeader(token).kid, 'evil', url, undefined])
      yield [`${Object.keys(header).join()} ${kid}`, forge(token, { kid, ...header }, {}, byAttacker)]
  yield ['iss', forge(token, {}, { iss: url.slice(0, -10) }, byAttacker)]
}

function* criticalHeaders({ token, privatePem }: Originals): Iterable<Forgery> {
  const headers: Json[] = [
    { crit: ['x'], x: true },
    { crit: ['exp'], exp: 1 },
    { crit: ['b64'], b64: false },
    { crit: ['b64'], b64: true },
    { b64: false },
    { crit: [] },
    { crit: 'exp' },
  ]
  for (const header of headers) yield [say(header), forge(token, header, {}, es256(privatePem))]
}

function* otherTypes({ token, privatePem }: Originals): Iterable<Forgery> {
  const names = ['', 'JWT', 'jwt', 'application/jwt', 'at+jwt2', 'xat+jwt', 'id_token', 'logout+jwt', 'dpop+jwt']
  for (const typ of [undefined, null, 1, ['at+jwt'], ...names])
    yield [say(typ), forge(token, { typ }, {}, es256(privatePem))]
}

function* otherSignatures({ token, neighbours }: Originals): Iterable<Forgery> {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const saying = (claims: Json) => `${header}.${encode({ ...decodeJwt(token), ...claims })}.${signature}`
  yield ['another sub', saying({ sub: decodeJwt(neighbours).sub })]
  yield ["a neighbour's signature", `${header}.${payload}.${neighbours.split('.')[2]}`]
  yield ['invalid, not expired', saying({ exp: 1 })]
  const future = { iat: (decodeJwt(token).iat ?? 0) + 3600, exp: (decodeJwt(token).iat ?? 0) + 7200 }
  yield ['iat by the attacker', forge(token, {}, future, byAttacker)]
  for (let place = 0; place < token.length - 1; place += 7)
    yield [`place ${place}`, `${token.slice(0, place)}${token[place] === 'x' ? 'y' : 'x'}${token.slice(place + 1)}`]
}

function* spellings({ token, privatePem }: Originals): Iterable<Forgery> {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const texts = [
    `${token} `,
    `\t${token}`,
    `${token}\n`,
    `${token}\r\n `,
    `${token}=`,
    `${token}==`,
    `${header}=.${payload}.${signature}`,
    `${header}.${payload}=.${signature}`,
    `${header}.\n${payload}.${signature}`,
    `${header} .${payload}.${signature}`,
    `"${token}"`,
    `${token},${token}`,
    `${token} ${token}`,
    `${token};`,
    `${token}.`,
    `.${token}`,
    `${token}.${signature}`,
    `${token}..`,
    `${header}.${payload}`,
    `${header}.${payload}.`,
    `${header}..${signature}`,
    `..`,
    '',
    header,
    token.replaceAll('-', '+').replaceAll('_', '/').concat('+'),
    encodeURIComponent(`${token}%`),
    token.replace('.', '%2E'),
    `${token}\u0000`,
    `${token}é`,
    `${encode(null)}.${payload}.${signature}`,
    `${encode([])}.${payload}.${signature}`,
    `${encode('x')}.${payload}.${signature}`,
    `${Buffer.from('{').toString('base64url')}.${payload}.${signature}`,
    forge(token, {}, { x: 'x'.repeat(7000) }, es256(privatePem)),
  ]
  for (const text of texts) yield [say(text), text]
}
