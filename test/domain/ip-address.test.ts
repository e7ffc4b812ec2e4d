import { isIP } from 'node:net'
import * as fc from 'fast-check'
import t from 'tap'
import { networksOf, readAddress, withoutPort } from '../../src/domain/ip-address.ts'
import { processorTime } from '../support/processor-time.ts'

t.test('an address has one spelling, however it was written and whatever was written around it', async (t) => {
  const table: Record<string, string[]> = {
    '192.0.2.1': [
      '192.0.2.1',
      '192.0.2.1:4711',
      '192.0.2.1:0',
      '192.0.2.1:65535',
      '::ffff:192.0.2.1',
      '::FFFF:192.0.2.1',
      '::ffff:c000:201',
      '::FFFF:C000:201',
      '0:0:0:0:0:ffff:c000:0201',
      '0000:0000:0000:0000:0000:FFFF:192.0.2.1',
      '[::ffff:192.0.2.1]',
      '[::FFFF:C000:0201]:4711',
      '::ffff:0:192.0.2.1',
      '::192.0.2.1',
      '::c000:201',
      '64:ff9b::192.0.2.1',
      '64:FF9B::c000:201',
      '0064:ff9b:0000::c000:0201',
      '[64:ff9b::c000:201]:4711',
      '64:ff9b:1::192.0.2.1',
      '64:ff9b:1:fffe::c000:201',
    ],
    '2001:db8::1': [
      '2001:db8::1',
      '2001:DB8::1',
      '2001:0db8:0000:0000:0000:0000:0000:0001',
      '2001:db8:0:0::0.0.0.1',
      '[2001:db8::1]',
      '[2001:DB8::1]:4711',
    ],
    '2001:db8::1:0:0:1': ['2001:db8::1:0:0:1', '2001:db8:0:0:1::1'],
    '2001:db8:1:2:3:4:5:6': ['2001:db8:1:2:3:4:5:6', '[2001:db8:1:2:3:4:5:6]:1'],
    '::1': ['::1', '0:0:0:0:0:0:0:1', '[::1]:80'],
    '::': ['::', '[::]'],
    '1::': ['1::', '1:0:0:0:0:0:0:0'],
    'fe80::1': ['fe80::1%eth0', 'FE80::1%25', '[fe80::1%eth0]:80'],
    '2002:c000:201::1': ['2002:c000:201::1'],
    '64:ff9b:1:c000:2:100::': ['64:ff9b:1:c000:2:100::'],
    '0.0.0.0': ['0.0.0.0', '::ffff:0:0'],
    '203.113.55.77': ['203.113.55.77', '::ffff:203.113.55.77', '::ffff:cb71:374d'],
    '64:ff9b:1:7:1:0:c000:201': ['64:ff9b:1:7:1:0:192.0.2.1'],
    '64:ff9b:1:7:0:1:c000:201': ['64:ff9b:1:7:0:1:192.0.2.1'],
  }
  for (const [address, spellings] of Object.entries(table))
    for (const spelling of spellings) t.equal(readAddress(spelling), address, spelling)
})

t.test('what is no address is none', async (t) => {
  const table = [
    '',
    ' ',
    'unknown',
    '_hidden',
    '127.1',
    '2130706433',
    '0x7f.0.0.1',
    '010.0.0.1',
    '192.0.2.256',
    '192.0.2.1:',
    '192.0.2.1:123456',
    '192.0.2.1:port',
    '192.0.2.1:80:80',
    '192.0.2.1/24',
    ':4711',
    '[]',
    '[]:80',
    '[',
    '[2001:db8::1',
    '2001:db8::1]',
    '[2001:db8::1]80',
    '[2001:db8::1]:',
    '[[2001:db8::1]]',
    '"[2001:db8::1]:80"',
    '2001:db8:1:2:3:4:5:6:4711',
    '::g',
    '1::2::3',
    '::ffff:192.0.2.256',
    'http://192.0.2.1',
    '192.0.2.1, 192.0.2.2',
  ]
  for (const text of table) t.equal(readAddress(text), null, text)
})

t.test('a port is what stands behind an IPv4 address or a bracket, and nothing else', async (t) => {
  const table: Record<string, string> = {
    '192.0.2.1:4711': '192.0.2.1',
    '[2001:db8::1]:4711': '2001:db8::1',
    '[2001:db8::1]': '2001:db8::1',
    '2001:db8::1:4711': '2001:db8::1:4711',
    '10.0.0.1': '10.0.0.1',
    unknown: 'unknown',
    '::1': '::1',
    '': '',
  }
  for (const [text, address] of Object.entries(table)) t.equal(withoutPort(text), address, text)
})

const one = (name: string) => [{ name, times: 1 }]

t.test(
  'an address is counted by itself with IPv4, with IPv6 by its /64, and in wider networks more generously',
  async (t) => {
    t.strictSame(networksOf('192.0.2.1'), one('192.0.2.1'))
    const table: Record<string, [string, string, string]> = {
      '2001:db8:1:2:3:4:5:6': ['2001:db8:1:2::', '2001:db8:1:0/56', '2001:db8:1/48'],
      '2001:db8:1:ff:ffff:ffff:ffff:ffff': ['2001:db8:1:ff::', '2001:db8:1:0/56', '2001:db8:1/48'],
      '2001:db8:1:100::': ['2001:db8:1:100::', '2001:db8:1:100/56', '2001:db8:1/48'],
      '2001:db8:1:ffff::1': ['2001:db8:1:ffff::', '2001:db8:1:ff00/56', '2001:db8:1/48'],
      '2001:db8:2::1': ['2001:db8:2::', '2001:db8:2:0/56', '2001:db8:2/48'],
      '::1': ['::', '0:0:0:0/56', '0:0:0/48'],
      'fe80::1': ['fe80::', 'fe80:0:0:0/56', 'fe80:0:0/48'],
    }
    for (const [address, [narrow, middle, wide]] of Object.entries(table))
      t.strictSame(
        networksOf(address),
        [
          { name: narrow, times: 1 },
          { name: middle, times: 4 },
          { name: wide, times: 16 },
        ],
        address,
      )
    t.strictSame(networksOf(''), one(''), 'a connection that has gone has no address')
  },
)

t.test('an IPv4 address in an IPv6 one is counted by itself where no client can make it up', async (t) => {
  const table = [
    '::ffff:192.0.2.1',
    '::ffff:0:192.0.2.1',
    '::192.0.2.1',
    '64:ff9b::192.0.2.1',
    '64:ff9b:1::192.0.2.1',
    '64:ff9b:1:7:0:0:192.0.2.1',
    '2002:c000:201::1',
    '2002:c000:201:ffff:ffff:ffff:ffff:ffff',
    '2001:0:cb00:7101:8000:63bf:3fff:fdfe', // the end of the tunnel inverted
    '2001:0:cb00:7102:0:1:3fff:fdfe',
  ]
  for (const address of table) t.strictSame(networksOf(address), one('192.0.2.1'), address)
  t.strictSame(
    ['64:ff9b:1:c000:2:100::', '64:ff9b:1:c000:2:200::'].map((address) => networksOf(address)),
    [one('64:ff9b:1:c000:2:100::'), one('64:ff9b:1:c000:2:200::')],
    'where a local translator keeps it elsewhere, each address is a client’s',
  )
})

t.test('what only looks like the prefix of a translator is an ordinary address', async (t) => {
  for (const prefix of ['64:ff9b:2', '64:ff9a:1', '65:ff9b:1'])
    t.strictSame(
      networksOf(`${prefix}::192.0.2.1`).map(({ name }) => name),
      [`${prefix}::`, `${prefix}:0/56`, `${prefix}/48`],
      prefix,
    )
})

t.test('an IPv4 address that anybody can put into an address of theirs is not one to limits', async (t) => {
  const table = [
    '2001:db8:1:2:0:5efe:192.0.2.1',
    '2001:db8:1:2:200:5efe:192.0.2.1',
    '2001:db8:1:2::192.0.2.1',
    '2001:db8:1:2::ffff:192.0.2.1',
    '2001:db8:1:2:64:ff9b:c000:201',
  ]
  for (const address of table)
    t.strictSame(
      networksOf(address).map(({ name }) => name),
      ['2001:db8:1:2::', '2001:db8:1:0/56', '2001:db8:1/48'],
      address,
    )
})

t.test('every address reads as itself, and its networks are those of whatever spelling it came in', async () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat({ max: 65_535 }), (text, port) => {
      const address = readAddress(text)
      const [around, shouted] = isIP(text) === 6 ? [`[${text}]:${port}`, text.toUpperCase()] : [`${text}:${port}`, text]
      const same = JSON.stringify(networksOf(text))
      return (
        address !== null &&
        [address, around, shouted].every((spelling) => readAddress(spelling) === address) &&
        [address, shouted].every((spelling) => JSON.stringify(networksOf(spelling)) === same)
      )
    }),
  )
})

t.test('a long text is read in no time', async (t) => {
  const ms = await processorTime(async () => {
    for (const piece of ['1', ':', '::', '[', ']', '%', '1.', 'f:', '[:', ':1', 'fe80::1%', ' '])
      t.equal(readAddress(piece.repeat(16_384 / piece.length)), null)
  })
  t.ok(ms < 100, `${ms} ms`)
})
