import t from 'tap'
import { openMailHome } from '../support/mail-home.ts'

// A body that may have several forms is refused by what the nearest form wants.

const PASSWORD = 'nine blue umbrellas on the roof'
const MISSING = 'is missing'
const NO_FIELD = 'is not a field of this request'

t.test(
  'a reset that is neither by token nor by code hears what its nearest form lacks, and none of the other',
  async (t) => {
    const home = await openMailHome(t)
    const all = { token: 'x', email: 'ada@example.org', code: '1', new_password: PASSWORD }
    const { token, email, code, new_password } = all
    for (const [body, wanted] of [
      [{ email, new_password }, { code: MISSING }],
      [{ token }, { new_password: MISSING }],
      [{ token, new_password: 5 }, { new_password: 'expected string, received number' }],
      [{ email, code, new_password: 5 }, { new_password: 'expected string, received number' }],
      [{ token, code, new_password }, { code: NO_FIELD }],
      [{ email, code, token, new_password }, { token: NO_FIELD }],
      [[], { '': 'expected object, received array' }],
      ['null', { '': 'expected object, received null' }],
    ] as const) {
      const answer = await home.call('POST', '/v1/password/reset', { body })
      t.match(answer, { status: 400, body: { code: 'bad_request' } })
      const told = answer.body.errors.map(({ path, message }: { path: string; message: string }) => [path, message])
      t.strictSame(Object.fromEntries(told), wanted, JSON.stringify(body))
    }
  },
)
