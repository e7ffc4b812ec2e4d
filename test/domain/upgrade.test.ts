import t from 'tap'
import { type AuthKeys, decrypt, deriveAuthKey, encrypt, isSame } from '../../src/domain/auth-secret.ts'
import { sealRefreshToken, unsealRefreshToken } from '../../src/domain/refresh-token.ts'

// What an earlier release has made, letter by letter. If one of these changes, an upgrade logs everybody out or loses the keys.

const keys: AuthKeys = [deriveAuthKey(Buffer.alloc(32, 1))]
const bytes = (byte: number) => Buffer.alloc(16, byte).toString('base64url')

const CLAIM = { transport: 'cookie', userId: bytes(1), sessionId: bytes(2), secret: bytes(0xfb), counter: 7 } as const
const TOKEN =
  'AV-fKLgBAQEBAQEBAQEBAQEBAQEBAQICAgICAgICAgICAgICAgL7-_v7-_v7-_v7-_v7-_v7AAAABxEblWkfEOWKhgvedS_HGh0ouGxa-6VPvs4gAQrq3C1p'

t.test('a refresh token of an earlier release is still read, and still made', async (t) => {
  t.same(unsealRefreshToken(keys, TOKEN), CLAIM)
  t.equal(sealRefreshToken(keys, CLAIM), TOKEN)
})

t.test('a signing key that an earlier release has encrypted is still read', async (t) => {
  const text = '1604266168.blt5zf6PeEtBkaaC.6dTh0cGPb3yFgXac50gWCA.ODcJC2E-fqoBEsX_HA'
  t.equal(decrypt(keys, text), 'a private key')
  t.match(encrypt(keys, 'a private key'), /^1604266168\.[\w-]{16}\.[\w-]{22}\.[\w-]{18}$/, 'and made in the same form')
})

t.test('byte strings of different length are not the same, whichever is the longer', async (t) => {
  const [short, long] = [Buffer.from('ab'), Buffer.from('abc')]
  t.same([isSame(short, short), isSame(short, long), isSame(long, short)], [true, false, false])
})
