import * as fc from 'fast-check'
import t from 'tap'
import { type AuthKeys, deriveAuthKey } from '../../src/domain/auth-secret.ts'
import {
  ask,
  codeOf,
  decideUse,
  type Derived,
  nobodyAt,
  NO_SECRETS,
  type Purpose,
  PURPOSES,
  readToken,
  type Secrets,
  secretsKeptUntil,
  type Shown,
  spend,
  tokenOf,
} from '../../src/domain/one-time-secret.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const KEYS: AuthKeys = [deriveAuthKey(Buffer.alloc(32, 1))]
const NEXT_KEYS: AuthKeys = [deriveAuthKey(Buffer.alloc(32, 2)), ...KEYS]
const OWNER = { userId: 'uid', purpose: 'reset' } as const

/** By a clock that nobody has set. */
const at = (now: number) => ({ now, histories: [] })
const nonceOf = (mail: number) => Buffer.alloc(16, mail).toString('base64url')
const derived = (mail: number, owner: Omit<Derived, 'nonce'> = OWNER): Derived => ({ ...owner, nonce: nonceOf(mail) })

function linkOf(mail: number): Shown {
  return readToken(KEYS, tokenOf(KEYS, derived(mail)), 'reset')?.shown as Shown
}

const code = (mail: number): Shown => ({ kind: 'code', code: codeOf(KEYS, derived(mail)) })

/** In this minute a mail is asked for, or what is in a mail is shown, and this comes of it. Mails are numbered by their secrets. */
type Step = readonly [minute: number, happening: `ask ${string}` | `link ${number}` | `code ${number}`, outcome: string]

function tell(steps: readonly Step[]): Step[] {
  let secrets: Secrets = NO_SECRETS
  let asked = 0
  return steps.map(([minute, happening]) => {
    const now = minute * MINUTE
    const [verb = '', what = ''] = happening.split(' ')
    if (verb === 'ask') {
      asked += 1
      const next = ask(secrets, { nonce: nonceOf(asked), email: what, locale: null }, at(now), HOUR)
      secrets = next
      return [minute, happening, `mail ${Buffer.from(next.current.nonce, 'base64url')[0]}`]
    }
    const shown = verb === 'link' ? linkOf(Number(what)) : code(Number(what))
    const use = decideUse(KEYS, OWNER, secrets, shown, { moment: at(now), ttlMs: HOUR })
    if (use.kind === 'right') secrets = spend(secrets, now)
    return [minute, happening, use.kind]
  })
}

const STORIES: Record<string, readonly Step[]> = {
  'a link is used once, and the same again is answered the same for a quarter of an hour': [
    [0, 'ask a', 'mail 1'],
    [59, 'link 1', 'right'],
    [59, 'link 1', 'repeat'],
    [73, 'link 1', 'repeat'],
    [74, 'link 1', 'invalid'],
  ],
  'a link dies after its time': [
    [0, 'ask a', 'mail 1'],
    [60, 'link 1', 'invalid'],
  ],
  'a code lives for a quarter of an hour, its link longer': [
    [0, 'ask a', 'mail 1'],
    [15, 'code 1', 'invalid'],
    [16, 'link 1', 'right'],
  ],
  'link and code of one mail are one secret': [
    [0, 'ask a', 'mail 1'],
    [1, 'code 1', 'right'],
    [2, 'link 1', 'repeat'],
  ],
  'a second mail has the secret of the first, and lets both live': [
    [0, 'ask a', 'mail 1'],
    [14, 'ask a', 'mail 1'],
    [28, 'code 1', 'right'],
  ],
  'a secret that is as old as a link lives is not given again: the next mail has another, and the first is dead': [
    [0, 'ask a', 'mail 1'],
    [59, 'ask a', 'mail 1'],
    [60, 'ask a', 'mail 3'],
    [61, 'link 1', 'invalid'],
    [62, 'link 3', 'right'],
  ],
  'a mail to another address has another secret, and the first is dead': [
    [0, 'ask a', 'mail 1'],
    [1, 'ask b', 'mail 2'],
    [2, 'link 1', 'invalid'],
    [2, 'code 1', 'invalid'],
    [3, 'link 2', 'right'],
  ],
  'a mail that is asked for after one was used has another secret, and the answer to the used one can still be repeated':
    [
      [0, 'ask a', 'mail 1'],
      [1, 'link 1', 'right'],
      [2, 'ask a', 'mail 2'],
      [3, 'link 1', 'repeat'],
      [4, 'link 2', 'right'],
      [5, 'link 1', 'invalid'],
      [5, 'link 2', 'repeat'],
    ],
  'what nobody has asked for is wrong': [
    [0, 'link 1', 'invalid'],
    [0, 'code 1', 'invalid'],
    [1, 'ask a', 'mail 1'],
    [2, 'link 7', 'invalid'],
    [2, 'code 7', 'invalid'],
    [3, 'link 1', 'right'],
  ],
}

for (const [name, steps] of Object.entries(STORIES)) {
  t.test(name, async (t) => t.strictSame(tell(steps), steps))
}

t.test('a secret remembers the language of the last mail with it', async (t) => {
  const first = ask(NO_SECRETS, { nonce: nonceOf(1), email: 'a', locale: 'ko' }, at(0), HOUR)
  const life = { moment: at(MINUTE), ttlMs: HOUR }
  t.match(decideUse(KEYS, OWNER, first, linkOf(1), life), { kind: 'right', locale: 'ko' })
  const second = ask(first, { nonce: nonceOf(2), email: 'a', locale: 'en' }, at(MINUTE), HOUR)
  t.match(decideUse(KEYS, OWNER, second, linkOf(1), life), { kind: 'right', locale: 'en' })
})

t.test('what is remembered is kept as long as it can be shown', async (t) => {
  const asked = ask(NO_SECRETS, { nonce: nonceOf(1), email: 'a', locale: null }, at(MINUTE), HOUR)
  t.equal(secretsKeptUntil(asked, HOUR), 61 * MINUTE)
  t.equal(secretsKeptUntil(spend(asked, 2 * MINUTE), HOUR), 17 * MINUTE)
  const again = ask(spend(asked, 2 * MINUTE), { nonce: nonceOf(2), email: 'a', locale: null }, at(3 * MINUTE), MINUTE)
  t.equal(secretsKeptUntil(again, MINUTE), 17 * MINUTE)
})

t.test('users, purposes and mails are not interchangeable: each secret opens its own place alone', async (t) => {
  const places = ['uid', 'other'].flatMap((userId) => PURPOSES.map((purpose) => ({ userId, purpose })))
  const secrets = ask(NO_SECRETS, { nonce: nonceOf(1), email: 'a', locale: null }, at(0), HOUR)
  const life = { moment: at(MINUTE), ttlMs: HOUR }
  for (const from of places) {
    for (const to of places) {
      const isOwn = from === to
      const read = readToken(KEYS, tokenOf(KEYS, derived(1, from)), to.purpose)
      t.equal(read !== null, from.purpose === to.purpose)
      const byCode = { kind: 'code', code: codeOf(KEYS, derived(1, from)) } as const
      t.equal(decideUse(KEYS, to, secrets, byCode, life).kind, isOwn ? 'right' : 'invalid')
      if (read === null) continue
      t.equal(read.userId, from.userId)
      t.equal(decideUse(KEYS, to, secrets, read.shown, life).kind, isOwn ? 'right' : 'invalid')
    }
  }
})

t.test('a secret outlives the rotation of AUTH_SECRET, and dies with the secret that made it', async (t) => {
  const secrets = ask(NO_SECRETS, { nonce: nonceOf(1), email: 'a', locale: null }, at(0), HOUR)
  const life = { moment: at(MINUTE), ttlMs: HOUR }
  const token = tokenOf(KEYS, derived(1))
  const byCode = { kind: 'code', code: codeOf(KEYS, derived(1)) } as const
  t.equal(
    decideUse(NEXT_KEYS, OWNER, secrets, readToken(NEXT_KEYS, token, 'reset')?.shown as Shown, life).kind,
    'right',
  )
  t.equal(decideUse(NEXT_KEYS, OWNER, secrets, byCode, life).kind, 'right')
  const onlyNext: AuthKeys = [NEXT_KEYS[0]]
  t.equal(readToken(onlyNext, token, 'reset'), null)
  t.equal(decideUse(onlyNext, OWNER, secrets, byCode, life).kind, 'invalid')
})

t.test('a token has one spelling, and no bit of it can be changed', async (t) => {
  const token = tokenOf(KEYS, derived(1))
  t.match(readToken(KEYS, token, 'reset'), { userId: 'uid', shown: { kind: 'token' } })
  const bytes = Buffer.from(token, 'base64url')
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const forged = Buffer.from(bytes)
    forged.writeUInt8(forged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    t.equal(readToken(KEYS, forged.toString('base64url'), 'reset'), null, `bit ${bit}`)
  }
  for (const spelling of [`${token}=`, `${token} `, ` ${token}`, token.slice(1), `${token}A`, bytes.toString('base64')])
    t.equal(readToken(KEYS, spelling, 'reset'), spelling === token ? spelling : null)
  fc.assert(fc.property(fc.string({ maxLength: 400 }), (junk) => readToken(KEYS, junk, 'reset') === null))
})

t.test('a code is eight digits, and no other text is taken for it', async (t) => {
  const codes = Array.from({ length: 200 }, (_, mail) => codeOf(KEYS, derived(mail)))
  t.ok(codes.every((each) => /^\d{8}$/.test(each)))
  t.ok(new Set(codes).size > 190)
  const secrets = ask(NO_SECRETS, { nonce: nonceOf(1), email: 'a', locale: null }, at(0), HOUR)
  const right = codeOf(KEYS, derived(1))
  for (const wrong of ['', right.slice(1), `${right}0`, ` ${right}`, `${right}\n`, 'ไทย๑๒๓๔', 'x'.repeat(64)]) {
    const use = decideUse(KEYS, OWNER, secrets, { kind: 'code', code: wrong }, { moment: at(0), ttlMs: HOUR })
    t.equal(use.kind, 'invalid', JSON.stringify(wrong))
  }
})

t.test(
  'an address without an account always stands for the same nobody, whom no dump of the store tells from a user',
  async (t) => {
    t.equal(nobodyAt(KEYS, 'a@example.org'), nobodyAt(KEYS, 'a@example.org'))
    t.not(nobodyAt(KEYS, 'a@example.org'), nobodyAt(KEYS, 'b@example.org'))
    t.match(nobodyAt(KEYS, 'a@example.org'), /^[\w-]{22}$/)
  },
)

t.test('no secret of a mail can be computed from what the store has', async (t) => {
  const purposes: readonly Purpose[] = PURPOSES
  const stored = JSON.stringify(ask(NO_SECRETS, { nonce: nonceOf(1), email: 'a', locale: null }, at(0), HOUR))
  for (const purpose of purposes) {
    const token = tokenOf(KEYS, derived(1, { userId: 'uid', purpose }))
    t.notOk(stored.includes(token) || stored.includes(codeOf(KEYS, derived(1, { userId: 'uid', purpose }))))
  }
})
