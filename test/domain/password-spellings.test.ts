import t from 'tap'
import { findBrokenRules, normalisePassword, PASSWORD_MAX_LENGTH } from '../../src/domain/password.ts'

t.test('every spelling of a password that may be long enough is normalised', async (t) => {
  const isNormal = (text: string) => text.normalize('NFC') === text
  let longest = 0
  for (let code = 0; code <= 0x10ffff; code += 1) {
    const text = String.fromCodePoint(code)
    if (isNormal(text)) longest = Math.max(longest, Array.from(text.normalize('NFD')).length)
  }
  t.equal(longest, 4)
  const spelledOut = '\u1f82'.normalize('NFD')
  const judge = (password: string) => findBrokenRules(password, 'ada@example.org', 15).map(({ rule }) => rule)
  t.equal(normalisePassword(spelledOut.repeat(PASSWORD_MAX_LENGTH)), '\u1f82'.repeat(PASSWORD_MAX_LENGTH))
  t.same(judge(spelledOut.repeat(PASSWORD_MAX_LENGTH)), [])
  t.same(judge(spelledOut.repeat(PASSWORD_MAX_LENGTH + 1)), ['too_long'])
  t.same(judge(spelledOut.repeat(4000)), ['too_long'])
})
