import t from 'tap'
import { makeClaimsCache } from '../../src/auth/tokens/claims-cache.ts'
import type { VerifiedToken } from '../../src/auth/tokens/signed-tokens.ts'

const token = (identity: string) => ({ identity }) as VerifiedToken
const [one, two, three] = ['1', '2', '3'].map((digit) => digit.repeat(300)) as [string, string, string]

t.test('as many tokens are remembered as there is room for, and the oldest is forgotten first', async (t) => {
  const cache = makeClaimsCache(2)
  cache.set(one, token('one'))
  cache.set(two, token('two'))
  t.strictSame([cache.get(one), cache.get(two)], [token('one'), token('two')])
  cache.set(three, token('three'))
  t.strictSame([cache.get(one), cache.get(two), cache.get(three)], [undefined, token('two'), token('three')])
})

t.test('a token is known by its whole text, not by its end alone', async (t) => {
  const cache = makeClaimsCache(2)
  cache.set(one, token('one'))
  t.equal(cache.get(`2${one.slice(1)}`), undefined, 'the same signature below other claims')
  t.equal(cache.get(`2${one}`), undefined)
})
