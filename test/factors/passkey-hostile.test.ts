import { isoCBOR } from '@simplewebauthn/server/helpers'
import t from 'tap'
import { makePasskey } from '../support/authenticator.ts'
import { askForPasskey, creationOptions, passkeyLogin, withPasskey } from '../support/factors.ts'
import { openHome } from '../support/home.ts'
import { processorTime } from '../support/processor-time.ts'

// What no authenticator and no page would send.

const home = await openHome()
t.teardown(home.close)
const { call } = home

const INVALID = { status: 400, body: { code: 'code_invalid' } }
const BAD = { status: 400, body: { code: 'bad_request' } }
/** More than any answer needs, on a busy machine too. */
const FEW_MS = 100
const SIZE = 12_000

const text = (bytes: Buffer | string) => Buffer.from(bytes).toString('base64url')
const cbor = (value: any) => Buffer.from(isoCBOR.encode(value))
const filled = (hex: string) => Buffer.alloc(SIZE, Buffer.from(hex, 'hex'))

/** Bytes that are hard on whoever reads them as CBOR, RFC 8949. */
const CBOR: Readonly<Record<string, Buffer>> = {
  'nothing but zeros': filled('00'),
  'no end': filled('ff'),
  'arrays in arrays': filled('81'),
  'maps in maps': filled('a100'),
  'maps that are keys of maps': filled('a1'),
  'tags of tags': filled('c6'),
  'arrays without length': filled('9f'),
  'an array of four billion': Buffer.concat([Buffer.from('9affffffff', 'hex'), filled('00')]),
  'an array of 2^64': Buffer.concat([Buffer.from('9bffffffffffffffff', 'hex'), filled('00')]),
  'a map of four billion': Buffer.concat([Buffer.from('baffffffff', 'hex'), filled('00')]),
  'a text of four billion': Buffer.concat([Buffer.from('7affffffff', 'hex'), filled('61')]),
  'bytes of 2^64': Buffer.concat([Buffer.from('5bffffffffffffffff', 'hex'), filled('61')]),
  'one key, again and again': Buffer.concat([Buffer.from(`b9${(SIZE / 2).toString(16)}`, 'hex'), filled('0000')]),
}

t.test('bytes that are no passkey are told so, at once, however they are made', async (t) => {
  const { access_token: token } = await home.newcomer()
  const { response } = makePasskey(await creationOptions(home, token))
  const head = Buffer.from(response['response'].attestationObject, 'base64url')
  const { authData } = Object.fromEntries(isoCBOR.decodeFirst<Map<string, any>>(new Uint8Array(head)))
  const begin = Buffer.from(authData).subarray(0, 37 + 16 + 2 + 32)
  const made = (data: any, more: object = {}) =>
    cbor(new Map(Object.entries({ fmt: 'none', attStmt: new Map(), authData: data, ...more })))
  const longId = Buffer.from(begin)
  longId.writeUInt16BE(65_535, 37 + 16)
  const attestations: Record<string, Buffer> = {
    ...CBOR,
    ...Object.fromEntries(
      Object.entries(CBOR).map(([name, bytes]) => [
        `a key: ${name}`,
        made(new Uint8Array(Buffer.concat([begin, bytes.subarray(0, 11_000)]))),
      ]),
    ),
    'an id beyond the end': made(new Uint8Array(longId)),
    'a key that is too long': made(
      new Uint8Array(
        Buffer.concat([
          begin,
          cbor(
            new Map<number, any>([
              [1, 2],
              [3, -7],
              [9, new Uint8Array(3000)],
            ]),
          ),
        ]),
      ),
    ),
    'a key that is no map': made(new Uint8Array(Buffer.concat([begin, cbor([1, 2, 3])]))),
    'data that is a number': made(1),
    'data that is a text': made('x'.repeat(100)),
    'data that is a map': made(new Map()),
    'no data': cbor(new Map([['fmt', 'none']])),
    'a number': cbor(1),
    nothing: cbor(null),
  }
  for (const [name, bytes] of Object.entries(attestations)) {
    const body = { response: { ...response, response: { ...response['response'], attestationObject: text(bytes) } } }
    const ms = await processorTime(async () =>
      t.match(await call('POST', '/v1/factors/passkeys', { token, body }), INVALID, name),
    )
    t.ok(ms < FEW_MS, `${name}: ${ms} ms`)
  }
  t.equal((await call('POST', '/v1/factors/passkeys', { token, body: { response } })).status, 201)
})

t.test('a passkey that was made with a key that is none never proves anything', async (t) => {
  const { access_token: token, user } = await home.newcomer()
  const options = await creationOptions(home, token)
  const { passkey, response } = makePasskey(options)
  const bytes = Buffer.from(response['response'].attestationObject, 'base64url')
  bytes[bytes.indexOf(Buffer.from('0102032620', 'hex')) + 1] = 3 // an RSA key that signs by ES256
  const body = { response: { ...response, response: { ...response['response'], attestationObject: text(bytes) } } }
  t.ok((await call('POST', '/v1/factors/passkeys', { token, body })).status < 500)
  const userHandle = text(user.id)
  t.match(await passkeyLogin(home, passkey, { userHandle }), { status: 401, body: { code: 'bad_credentials' } })
})

t.test('what a page says is no more trusted than what an authenticator says', async (t) => {
  const me = await withPasskey(home)
  const token = me.access_token
  const { challenge, public_key } = await askForPasskey(home)
  const { response: made } = makePasskey(await creationOptions(home, token))
  const good = me.passkey.assert(public_key)
  const pages = ['', 'null', '1', '"x"', '[]', '{}', '{"challenge":1}', '{"challenge":{}}', '{', '\0', '['.repeat(SIZE)]
  const clientDataJSON = [...pages, `{"challenge":"${public_key.challenge}"}`, `{"type":{"a":1},"tokenBinding":1}`]
  for (const page of clientDataJSON) {
    const lie = { clientDataJSON: text(page) || 'AA' }
    const assertion = { ...good, response: { ...good['response'], ...lie } }
    const registration = { ...made, response: { ...made['response'], ...lie } }
    const ms = await processorTime(async () => {
      const login = await call('POST', '/v1/login/passkey', { body: { challenge, response: assertion } })
      t.match(login, { status: 401, body: { code: 'bad_credentials' } }, page.slice(0, 20))
      t.match(await call('POST', '/v1/factors/passkeys', { token, body: { response: registration } }), INVALID)
    })
    t.ok(ms < 2 * FEW_MS, `${ms} ms`)
  }
  for (const [name, bytes] of Object.entries(CBOR)) {
    const data = Buffer.from(good['response'].authenticatorData, 'base64url')
    data[32]! |= 0x80 // extensions follow
    for (const authenticatorData of [bytes, Buffer.concat([data, bytes.subarray(0, 11_000)])]) {
      const response = { ...good, response: { ...good['response'], authenticatorData: text(authenticatorData) } }
      const ms = await processorTime(async () =>
        t.match(await call('POST', '/v1/login/passkey', { body: { challenge, response } }), { status: 401 }, name),
      )
      t.ok(ms < FEW_MS, `${name}: ${ms} ms`)
    }
  }
  t.equal((await call('POST', '/v1/login/passkey', { body: { challenge, response: good } })).status, 200)
})

t.test('a body of another form is refused before anything is read of it', async (t) => {
  const me = await withPasskey(home)
  const token = me.access_token
  const { challenge, public_key } = await askForPasskey(home)
  const good = me.passkey.assert(public_key)
  const forms: unknown[] = [
    null,
    'x',
    [],
    {},
    { ...good, id: '' },
    { ...good, id: 'a b' },
    { ...good, id: 'x'.repeat(1365) },
    { ...good, id: { toString: 1 } },
    { ...good, type: 'password' },
    { ...good, response: null },
    { ...good, response: [] },
    { ...good, response: { ...good['response'], signature: '+/==' } },
    { ...good, response: { ...good['response'], signature: 'A'.repeat(16_385) } },
    { ...good, response: { ...good['response'], userHandle: 7 } },
    { ...good, response: { ...good['response'], clientDataJSON: undefined } },
  ]
  for (const response of forms) {
    t.match(await call('POST', '/v1/login/passkey', { body: { challenge, response } }), BAD)
    t.match(await call('POST', '/v1/factors/passkeys', { token, body: { response } }), BAD)
  }
  const huge = { ...good, more: 'x'.repeat(32 * 1024) }
  const large = await call('POST', '/v1/login/passkey', { body: { challenge, response: huge } })
  t.match(large, { status: 413, body: { code: 'too_large' } })
  const within = { ...good, response: { ...good['response'], more: 'x'.repeat(29 * 1024) } }
  t.equal((await call('POST', '/v1/login/passkey', { body: { challenge, response: within } })).status, 200)
})

t.test('a name is a line of text, and nothing else', async (t) => {
  const me = await withPasskey(home)
  const token = me.access_token
  const path = `/v1/factors/passkeys/${me.passkeyId}`
  const names: unknown[] = [
    '',
    'x'.repeat(65),
    'two\nlines',
    'bell\u0007',
    'nul\0',
    '\u0085',
    '\ud800',
    7,
    null,
    {},
    ['x'],
  ]
  const { response } = makePasskey(await creationOptions(home, token))
  for (const name of names) {
    t.match(await call('PATCH', path, { token, body: { name } }), BAD, JSON.stringify(name))
    t.match(await call('POST', '/v1/factors/passkeys', { token, body: { response, name } }), BAD, JSON.stringify(name))
  }
  t.match(await call('PATCH', path, { token, body: {} }), BAD)
  t.match(await call('PATCH', path, { token, body: { name: 'x', id: 'y' } }), BAD)
  for (const name of ['x'.repeat(64), '휴대폰', '<b>"\'&', '__proto__', '🔑'])
    t.match(await call('PATCH', path, { token, body: { name } }), { status: 200, body: { name, id: me.passkeyId } })
})

t.test('an id that is none of one’s own passkeys is not found', async (t) => {
  const [me, other] = [await withPasskey(home), await withPasskey(home)]
  const token = me.access_token
  const ids = [
    other.passkeyId,
    me.passkey.id,
    'x',
    '..%2F',
    '%00',
    '%E0%A4%A',
    '__proto__',
    'x'.repeat(3000),
    '🔑',
    '0',
  ]
  for (const id of ids)
    for (const [method, body] of [['DELETE'], ['PATCH', { name: 'x' }]] as const) {
      const answer = await call(method, `/v1/factors/passkeys/${id}`, { token, ...(body && { body }) })
      t.match(answer, { status: 404, body: { code: 'not_found' } }, `${method} ${id.slice(0, 10)}`)
    }
  t.equal((await call('GET', '/v1/factors', { token: other.access_token })).body.passkeys.length, 1)
})

t.test('nothing that is wrong with a passkey is a fault of the service', async (t) => {
  const faults = home.lines.filter(({ level }) => level === 'error' || level >= 50)
  t.strictSame(faults, [])
})
