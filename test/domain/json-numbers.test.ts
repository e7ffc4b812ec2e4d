import * as fc from 'fast-check'
import t from 'tap'
import { findJsonFault } from '../../src/domain/json-text.ts'

/** What is written for what was read. */
const rewrite = (text: string) => JSON.stringify(JSON.parse(text))

t.test('an integer is kept to the last digit, or refused', async (t) => {
  const kept = `0 -0 1 -1 10 9007199254740991 -9007199254740991 9007199254740992 9007199254740994 100000000000000000000
    18446744073709552000 -18446744073709552000 1000000000000000000000 1.0 -0.0 1.000 9007199254740994.0`
  const refused = `9007199254740993 -9007199254740993 9007199254740995 9007199254740993.0 9007199254740993.000
    1152921504606846976 12345678901234567890 18446744073709551615 18446744073709551616 100000000000000000001
    1000000000000000000001 123456789012345678901234567890 1e400 -1e400 1E+400 1e999999999999999999999
    ${'9'.repeat(309)} ${'9'.repeat(20_000)} 1${'0'.repeat(400)} 17976931348623159e292`
  for (const number of kept.trim().split(/\s+/)) {
    t.equal(findJsonFault(`[${number}]`), null, number)
    t.equal(BigInt(digits(rewrite(number))), BigInt(number.replace(/\.0+$/, '')), `${number} comes back`)
  }
  for (const number of refused.trim().split(/\s+/)) {
    t.match(findJsonFault(`{"a":[0,${number}]}`), { path: ['a', 1], message: /^is a number/ }, number.slice(0, 40))
  }
})

t.test('a fraction and a power of ten are what the nearest double is', async (t) => {
  const kept = `0.1 -1.5 3.14 0.1000000000000000055511151231257827 9007199254740993.5 1e3 1E3 1e+3 1e-3 1.5e3 1e21 1e300
    1.7976931348623157e308 5e-324 1e-400 9007199254740993e0 0e0 -0e-5 0.${'3'.repeat(30_000)}`
  for (const number of kept.trim().split(/\s+/)) t.equal(findJsonFault(number), null, number.slice(0, 40))
})

t.test('whatever number JSON.stringify writes is kept, and comes back in the same digits', async () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (double) => {
      const text = JSON.stringify(double)
      return findJsonFault(text) === null && rewrite(text) === text
    }),
  )
})

t.test('of any integer the digits come back, or it is refused', async () => {
  const around = fc.tuple(fc.integer({ min: 50, max: 90 }), fc.integer({ min: -2000, max: 2000 }))
  const near = around.map(([power, step]) => 2n ** BigInt(power) + BigInt(step))
  fc.assert(
    fc.property(
      fc.oneof(
        fc.bigInt(),
        near,
        near.map((integer) => -integer),
      ),
      (integer) => {
        const text = `${integer}`
        return (findJsonFault(text) === null) === (digits(rewrite(text)) === text)
      },
    ),
    { numRuns: 1000 },
  )
})

/** An integer in digits only, however it was written. */
function digits(number: string): string {
  const [, sign = '', first = '', rest = '', power] = /^(-?)(\d+)(?:\.(\d+))?(?:e\+(\d+))?$/.exec(number) ?? []
  return power === undefined ? number : `${sign}${first}${rest.padEnd(Number(power), '0')}`
}

t.test('what looks like a number in a text is none', async (t) => {
  for (const text of [
    '"1e999"',
    '{"9007199254740993":"9007199254740993"}',
    '["\\"",1,"1e999\\\\"]',
    '{"a\\"1e999":0}',
  ]) {
    t.equal(findJsonFault(text), null, text)
  }
})

t.test('a fault is told with its place', async (t) => {
  const faults: [string, (string | number)[]][] = [
    ['1e999', []],
    ['[[1,2],[3,1e999]]', [1, 1]],
    ['{"a":1,"b":{"c":[{},{"d":1e999}]}}', ['b', 'c', 1, 'd']],
    ['{"a":[[],{}],"b":1e999}', ['b']],
    ['{"a":{"b":1,"c":2,"b":3}}', ['a', 'b']],
    ['{"a.b":{"":1e999}}', ['a.b', '']],
  ]
  for (const [text, path] of faults) t.same(findJsonFault(text)?.path, path, text)
})
