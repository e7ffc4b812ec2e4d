import t from 'tap'
import { check, type Violation } from './check.ts'
import { LATE_MS } from './doors.ts'
import { type Credential, type Ends, type Kind, openHistory, type Operation } from './history.ts'

// Small histories of one user, times in ms: what must pass, and what must not.

type Times = readonly [startedAt: number, endedAt: number]
type Opened = { readonly session: Credential; readonly access: Credential }
type Told = {
  readonly shows?: Credential | null
  readonly ends?: Ends | null
  readonly status?: number
  readonly said?: string
  readonly spends?: string | null
  readonly opened?: string
}

/** Writes a history down. */
function makeStory() {
  let now = 0
  let made = 0
  const history = openHistory(() => now)
  const tell = (
    kind: Kind,
    [startedAt, endedAt]: Times,
    { shows = null, ends = null, status = 204, said = '', spends = null, opened = '' }: Told,
  ) => {
    now = startedAt
    const operation = history.begin({ kind, user: 'ada', shows, ends, spends })
    now = endedAt
    if (endedAt < Infinity) history.end(operation, status, said, opened)
    return operation
  }
  const grant = (kind: Credential['kind'], grantedBy: Operation, session?: Credential): Credential => {
    const name = `${kind} ${(made += 1)}`
    const openedBy = session?.openedBy ?? grantedBy
    return { kind, name, user: 'ada', session: session?.name ?? name, grantedBy, openedBy }
  }
  return {
    history,
    tell,
    login(times: Times, shows: Credential | null = null): Opened {
      const session = grant('session', tell('login', times, { shows, status: 200 }))
      return { session, access: grant('access', session.grantedBy, session) }
    },
    refresh: ({ session }: Opened, times: Times, status = 200, said = '') =>
      grant('access', tell('refresh', times, { shows: session, status, said }), session),
    verify: (shows: Credential, times: Times, status = 204) => tell('verify', times, { shows, status }),
    logout: ({ session }: Opened, times: Times, status = 204) =>
      tell('logout', times, { ends: { session: session.name }, status }),
    revokeAll: ({ access }: Opened, times: Times, status = 204) =>
      tell('revoke-all', times, { shows: access, ends: { allBut: null }, status }),
    change({ session, access }: Opened, times: Times, status = 200) {
      const operation = tell('password', times, { shows: access, ends: { allBut: session.name }, status })
      return { password: grant('password', operation), access: grant('access', operation, session) }
    },
    register: (times: Times) => grant('password', tell('register', times, { status: 201 })),
    firstStep: (times: Times, shows: Credential | null = null) =>
      grant('challenge', tell('first-step', times, { shows, status: 401, said: 'second_factor_required' })),
    secondStep(shows: Credential, times: Times, opened: string, status = 200) {
      const session = grant('session', tell('second-step', times, { shows, status, spends: 'code', opened }))
      return { session, access: grant('access', session.grantedBy, session) }
    },
    stepUp: ({ session, access }: Opened, times: Times, status = 200) =>
      tell('step-up', times, { shows: access, status, spends: 'code', opened: session.name }),
    verifyRole: (shows: Credential, times: Times, status = 204) => tell('verify-role', times, { shows, status }),
    giveRole: (times: Times, status = 204) => tell('give-role', times, { ends: { only: 'access' }, status }),
    takeRole: (times: Times, status = 204) => tell('take-role', times, { ends: { only: 'access' }, status }),
    disable: (times: Times, status = 204) => tell('disable', times, { ends: { allBut: null }, status }),
    enable: (times: Times, status = 204) => tell('enable', times, { status }),
    remove: (times: Times, status = 204) => tell('remove', times, { ends: { allBut: null }, status }),
  }
}

type Story = ReturnType<typeof makeStory>
const LOST = 0
const LATE = LATE_MS + 100

const right: Record<string, (story: Story) => void> = {
  'a token that nobody has ended is accepted': (s) => {
    s.verify(s.login([0, 10]).access, [20, 25])
  },
  'a token is accepted by a verification that began before its logout was answered': (s) => {
    const one = s.login([0, 10])
    s.logout(one, [20, 30])
    s.verify(one.access, [29, 35])
  },
  'a token is refused while its logout is under way, and after it': (s) => {
    const one = s.login([0, 10])
    s.verify(one.access, [21, 29], 401)
    s.logout(one, [20, 30])
    s.refresh(one, [31, 35], 401)
  },
  'a token is refused or accepted after a logout in doubt': (s) => {
    const one = s.login([0, 10])
    s.logout(one, [20, 30], 503)
    s.verify(one.access, [40, 45])
    s.verify(one.access, [50, 55], 401)
  },
  'a token is refused while a logout has no answer yet': (s) => {
    const one = s.login([0, 10])
    s.logout(one, [20, Infinity])
    s.verify(one.access, [50_000, 50_005], 401)
  },
  'an answer in doubt says nothing': (s) => {
    const one = s.login([0, 10])
    s.logout(one, [20, 30])
    s.verify(one.access, [40, 45], 503)
    s.verify(s.login([50, 60]).access, [70, 80], LOST)
  },
  'another session goes on after a logout': (s) => {
    const [one, other] = [s.login([0, 10]), s.login([0, 10])]
    s.logout(one, [20, 30])
    s.verify(other.access, [40, 45])
    s.refresh(other, [40, 45])
  },
  'a session opened while all were ended may be either': (s) => {
    const one = s.login([0, 10])
    const [early, late] = [s.login([15, 25]), s.login([25, 35])]
    s.revokeAll(one, [20, 30])
    s.verify(early.access, [40, 45], 401)
    s.verify(late.access, [40, 45])
  },
  'after a password change its session goes on with new tokens, and the old ones are refused': (s) => {
    const one = s.login([0, 10])
    const { access } = s.change(one, [20, 30])
    s.verify(access, [40, 45])
    s.verify(one.access, [40, 45], 401)
    s.refresh(one, [40, 45])
  },
  'an access token made while a password was changed may be either': (s) => {
    const one = s.login([0, 10])
    const [first, second] = [s.refresh(one, [15, 25]), s.refresh(one, [15, 25])]
    s.change(one, [20, 30])
    s.verify(first, [40, 45])
    s.verify(second, [40, 45], 401)
  },
  'a change in doubt may take effect late, on what was granted meanwhile': (s) => {
    const one = s.login([0, 10])
    s.change(one, [20, 30], LOST)
    const access = s.refresh(one, [40, 45])
    s.verify(access, [50, 55], 401)
  },
  'a change in doubt may be seen for a moment and be lost by a failover': (s) => {
    const [one, other] = [s.login([0, 10]), s.login([0, 10])]
    s.change(one, [20, 30], 503)
    s.verify(other.access, [40, 45], 401)
    s.verify(other.access, [LATE, LATE + 5])
  },
  'of two clients that lost the answer to the change of their own session, the slower one is told so': (s) => {
    const one = s.login([0, 10])
    s.change(one, [20, 30], LOST)
    s.refresh(one, [40, 90], 401, 'password_changed')
    s.refresh(one, [41, 45])
  },
  'the old password is refused after the change, the new one accepted': (s) => {
    const old = s.register([0, 10])
    const { password } = s.change(s.login([11, 20], old), [20, 30])
    s.tell('login', [40, 45], { shows: old, status: 401 })
    s.tell('login', [40, 45], { shows: password, status: 200 })
  },
  'a password of a change in doubt may be refused': (s) => {
    const { password } = s.change(s.login([0, 10]), [20, 30], 503)
    s.tell('login', [40, 45], { shows: password, status: 401 })
  },
  'after a change of roles the session goes on, and its token of before is refused': (s) => {
    const one = s.login([0, 10])
    s.giveRole([20, 30])
    s.verify(one.access, [40, 45], 401)
    const access = s.refresh(one, [50, 55])
    s.verifyRole(access, [60, 65])
    s.takeRole([70, 80])
    s.verifyRole(s.refresh(one, [90, 95]), [100, 105], 403)
  },
  'a token granted while the role was taken away may have it or not': (s) => {
    const one = s.login([0, 10])
    s.giveRole([20, 30])
    const access = s.refresh(one, [40, 60])
    s.takeRole([50, 70])
    s.verifyRole(access, [55, 60])
    s.verifyRole(access, [61, 65], 403)
  },
  'a role that is given in doubt may come late': (s) => {
    const one = s.login([0, 10])
    s.giveRole([20, 30], LOST)
    s.verifyRole(one.access, [40, 45], 403)
    s.verifyRole(s.refresh(one, [50, 55]), [60, 65])
  },
  'a disabled account is shut to the right password, and open again after it': (s) => {
    const password = s.register([0, 5])
    s.disable([20, 30])
    s.tell('login', [40, 45], { shows: password, status: 403 })
    s.enable([50, 60])
    s.login([70, 80], password)
  },
  'an account that is being enabled may be either': (s) => {
    const password = s.register([0, 5])
    s.disable([20, 30])
    s.login([45, 55], password)
    s.enable([50, 60])
    s.tell('login', [55, 65], { shows: password, status: 403 })
  },
  'an account whose disabling is in doubt may be either': (s) => {
    const password = s.register([0, 5])
    s.disable([20, 30], LOST)
    s.login([40, 45], password)
    s.tell('login', [50, 55], { shows: password, status: 403 })
  },
  'an enabling in doubt that a first step has seen may be lost, and the challenge with it': (s) => {
    const password = s.register([0, 5])
    s.disable([20, 30])
    s.enable([40, 60], LOST)
    s.secondStep(s.firstStep([50, 55], password), [70, 80], '', 400)
  },
  'of a removed account nothing is left, and its user begins anew': (s) => {
    const [old, one] = [s.register([0, 5]), s.login([6, 10])]
    s.remove([20, 30])
    s.refresh(one, [40, 45], 401)
    s.tell('login', [40, 45], { shows: old, status: 401 })
    s.login([60, 65], s.register([50, 55]))
  },
  'a code opens one session, and the same again is that session': (s) => {
    const challenge = s.firstStep([0, 10])
    s.secondStep(challenge, [20, 30], 'one', LOST)
    s.secondStep(challenge, [40, 50], 'one')
    s.verify(s.secondStep(challenge, [45, 55], 'one').access, [60, 65])
  },
  'a code that is spent is refused, whatever it is for': (s) => {
    const one = s.secondStep(s.firstStep([0, 10]), [20, 30], 'one')
    s.secondStep(s.firstStep([40, 50]), [60, 70], '', 401)
    s.stepUp(one, [60, 70], 403)
  },
  'a code whose session was lost in doubt opens another one': (s) => {
    const challenge = s.firstStep([0, 10])
    s.secondStep(challenge, [20, 30], '', 503)
    s.secondStep(s.firstStep([40, 50]), [60, 70], 'other')
    s.secondStep(challenge, [80, 90], '', 401)
  },
  'a code proves one session, and the same again is answered the same': (s) => {
    const one = s.login([0, 10])
    s.stepUp(one, [20, 30])
    s.stepUp(one, [25, 35])
  },
  'a challenge is dead after all was ended, and after the roles changed': (s) => {
    const [challenge, later] = [s.firstStep([0, 10]), s.firstStep([50, 60])]
    s.revokeAll(s.login([0, 10]), [20, 30])
    s.secondStep(challenge, [40, 45], '', 400)
    s.giveRole([70, 80])
    s.secondStep(later, [90, 95], '', 400)
  },
  'ending a session that is over by now is 404': (s) => {
    const [one, other] = [s.login([0, 10]), s.login([0, 10])]
    s.tell('revoke', [20, 30], { shows: one.access, ends: { session: other.session.name }, status: 404 })
  },
}

const wrong: Record<string, readonly [Violation['kind'], (story: Story) => void]> = {
  'a token accepted after its logout': [
    'accepted after its end',
    (s) => {
      const one = s.login([0, 10])
      s.logout(one, [20, 30])
      s.verify(one.access, [31, 35])
    },
  ],
  'an access token from before a refresh, accepted after the logout': [
    'accepted after its end',
    (s) => {
      const one = s.login([0, 10])
      s.refresh(one, [11, 15])
      s.logout(one, [20, 30])
      s.verify(one.access, [31, 35])
    },
  ],
  'an access token made while its session was ended, accepted after that': [
    'accepted after its end',
    (s) => {
      const one = s.login([0, 10])
      const access = s.refresh(one, [25, 35])
      s.logout(one, [20, 30])
      s.verify(access, [40, 45])
    },
  ],
  'a session that refreshes after its logout': [
    'accepted after its end',
    (s) => {
      const one = s.login([0, 10])
      s.logout(one, [20, 30])
      s.refresh(one, [31, 35])
    },
  ],
  'a logout in doubt, repeated until it was answered, and a token accepted after that': [
    'accepted after its end',
    (s) => {
      const one = s.login([0, 10])
      s.logout(one, [20, 30], LOST)
      s.logout(one, [40, 50])
      s.verify(one.access, [60, 65])
    },
  ],
  "another session's token accepted after all were ended": [
    'accepted after its end',
    (s) => {
      const [one, other] = [s.login([0, 10]), s.login([0, 10])]
      s.revokeAll(one, [20, 30])
      s.verify(other.access, [31, 35])
    },
  ],
  "the caller's old access token accepted after a password change": [
    'accepted after its end',
    (s) => {
      const one = s.login([0, 10])
      s.change(one, [20, 30])
      s.verify(one.access, [31, 35])
    },
  ],
  'another session that refreshes after a password change': [
    'accepted after its end',
    (s) => {
      const [one, other] = [s.login([0, 10]), s.login([0, 10])]
      s.change(one, [20, 30])
      s.refresh(other, [31, 35])
    },
  ],
  'a login by the old password after the change': [
    'accepted after its end',
    (s) => {
      const old = s.register([0, 10])
      s.change(s.login([11, 15], old), [20, 30])
      s.login([31, 35], old)
    },
  ],
  'a revocation with a token that was ended before': [
    'accepted after its end',
    (s) => {
      const one = s.login([0, 10])
      s.logout(one, [20, 30])
      s.revokeAll(one, [31, 35])
    },
  ],
  'a token of before accepted after its user got a role': [
    'accepted after its end',
    (s) => {
      const one = s.login([0, 10])
      s.giveRole([20, 30])
      s.verify(one.access, [31, 35])
    },
  ],
  'a role found after it was taken away, whatever the token': [
    'accepted after its end',
    (s) => {
      const one = s.login([0, 10])
      s.takeRole([20, 30])
      s.verifyRole(s.refresh(one, [31, 35]), [40, 45])
    },
  ],
  'a role not found though the token was granted after it was given': [
    'refused without cause',
    (s) => {
      const one = s.login([0, 10])
      s.giveRole([20, 30])
      s.verifyRole(s.refresh(one, [31, 35]), [40, 45], 403)
    },
  ],
  'a session ended by a change of roles': [
    'refused without cause',
    (s) => {
      const one = s.login([0, 10])
      s.giveRole([20, 30])
      s.refresh(one, [31, 35], 401)
    },
  ],
  'a token accepted after its account was disabled': [
    'accepted after its end',
    (s) => {
      const one = s.login([0, 10])
      s.disable([20, 30])
      s.verify(one.access, [31, 35])
    },
  ],
  'a session that goes on after its account was enabled again': [
    'accepted after its end',
    (s) => {
      const one = s.login([0, 10])
      s.disable([20, 30])
      s.enable([31, 35])
      s.refresh(one, [40, 45])
    },
  ],
  'a login to a disabled account': [
    'accepted after its end',
    (s) => {
      const password = s.register([0, 5])
      s.disable([20, 30])
      s.login([31, 35], password)
    },
  ],
  'a login held back after its account was enabled': [
    'refused without cause',
    (s) => {
      const password = s.register([0, 5])
      s.disable([20, 30])
      s.enable([40, 50])
      s.tell('login', [60, 65], { shows: password, status: 403 })
    },
  ],
  'a login held back that nobody has disabled': [
    'refused without cause',
    (s) => {
      s.tell('login', [60, 65], { shows: s.register([0, 5]), status: 403 })
    },
  ],
  'a token accepted after its account was removed': [
    'accepted after its end',
    (s) => {
      const one = s.login([0, 10])
      s.remove([20, 30])
      s.verify(one.access, [31, 35])
    },
  ],
  'a token refused that nobody has ended': [
    'refused without cause',
    (s) => {
      s.verify(s.login([0, 10]).access, [20, 25], 401)
    },
  ],
  'a token refused before its logout began': [
    'refused without cause',
    (s) => {
      const one = s.login([0, 10])
      s.verify(one.access, [11, 15], 401)
      s.logout(one, [20, 30])
    },
  ],
  'a session refused that nobody has ended: a lost login': [
    'refused without cause',
    (s) => {
      s.refresh(s.login([0, 10]), [20, 25], 401)
    },
  ],
  'a session refused because another one was logged out': [
    'refused without cause',
    (s) => {
      const [one, other] = [s.login([0, 10]), s.login([0, 10])]
      s.logout(one, [20, 30])
      s.refresh(other, [40, 45], 401)
    },
  ],
  'a session refused because its own client changed the password': [
    'refused without cause',
    (s) => {
      const one = s.login([0, 10])
      s.change(one, [20, 30], LOST)
      s.refresh(one, [40, 45], 401, 'token_reused')
    },
  ],
  'a session refused because of a revocation that was refused itself': [
    'refused without cause',
    (s) => {
      const [one, other] = [s.login([0, 10]), s.login([0, 10])]
      s.logout(one, [20, 30])
      s.revokeAll(one, [40, 50], 401)
      s.refresh(other, [60, 65], 401)
    },
  ],
  'the session that changed the password refused after it': [
    'refused without cause',
    (s) => {
      const one = s.login([0, 10])
      s.change(one, [20, 30])
      s.refresh(one, [40, 45], 401)
    },
  ],
  'the access token of a password change refused': [
    'refused without cause',
    (s) => {
      s.verify(s.change(s.login([0, 10]), [20, 30]).access, [40, 45], 401)
    },
  ],
  'a session opened after all were ended, refused': [
    'refused without cause',
    (s) => {
      s.revokeAll(s.login([0, 10]), [20, 30])
      s.refresh(s.login([40, 50]), [60, 65], 401)
    },
  ],
  'a session opened long after a revocation in doubt, refused': [
    'refused without cause',
    (s) => {
      s.revokeAll(s.login([0, 10]), [20, 30], LOST)
      const one = s.login([LATE, LATE + 10])
      s.refresh(one, [LATE + 20, LATE + 25], 401)
    },
  ],
  'a session accepted when a revocation in doubt could no longer come, refused later': [
    'refused without cause',
    (s) => {
      const [one, other] = [s.login([0, 10]), s.login([0, 10])]
      s.revokeAll(one, [20, 30], LOST)
      s.refresh(other, [LATE, LATE + 10])
      s.refresh(other, [LATE + 20, LATE + 30], 401)
    },
  ],
  'the new password refused: a lost change': [
    'refused without cause',
    (s) => {
      const { password } = s.change(s.login([0, 10]), [20, 30])
      s.tell('login', [40, 45], { shows: password, status: 401 })
    },
  ],
  'a code that opens two sessions': [
    'spent twice',
    (s) => {
      s.secondStep(s.firstStep([0, 10]), [20, 30], 'one')
      s.secondStep(s.firstStep([0, 10]), [20, 30], 'other')
    },
  ],
  'a code that opened a session in doubt, and another one before the first was told': [
    'spent twice',
    (s) => {
      const challenge = s.firstStep([0, 10])
      s.secondStep(challenge, [20, 30], '', 503)
      s.secondStep(s.firstStep([40, 50]), [60, 70], 'other')
      s.secondStep(challenge, [80, 90], 'one')
    },
  ],
  'the same challenge and code, and another session': [
    'spent twice',
    (s) => {
      const challenge = s.firstStep([0, 10])
      s.secondStep(challenge, [20, 30], 'one')
      s.secondStep(challenge, [40, 50], 'other')
    },
  ],
  'a code that opens a session and proves it, too': [
    'spent twice',
    (s) => {
      const one = s.secondStep(s.firstStep([0, 10]), [20, 30], 'session 2')
      s.stepUp(one, [40, 50])
    },
  ],
  'a code that proves two sessions': [
    'spent twice',
    (s) => {
      s.stepUp(s.login([0, 10]), [20, 30])
      s.stepUp(s.login([0, 10]), [20, 30])
    },
  ],
  'a challenge taken after all was ended': [
    'accepted after its end',
    (s) => {
      const challenge = s.firstStep([0, 10])
      s.revokeAll(s.login([0, 10]), [20, 30])
      s.secondStep(challenge, [40, 50], 'one')
    },
  ],
  'a challenge refused after its account was enabled again': [
    'refused without cause',
    (s) => {
      const password = s.register([0, 5])
      s.disable([20, 30])
      s.enable([40, 45])
      s.secondStep(s.firstStep([50, 55], password), [70, 80], '', 400)
    },
  ],
  'a challenge dead without cause': [
    'refused without cause',
    (s) => {
      s.secondStep(s.firstStep([0, 10]), [20, 30], '', 400)
    },
  ],
  'a session by two steps accepted after its logout': [
    'accepted after its end',
    (s) => {
      const one = s.secondStep(s.firstStep([0, 10]), [20, 30], 'one')
      s.logout(one, [40, 50])
      s.verify(one.access, [60, 65])
    },
  ],
  'a session by two steps refused that nobody has ended': [
    'refused without cause',
    (s) => {
      s.refresh(s.secondStep(s.firstStep([0, 10]), [20, 30], 'one'), [40, 50], 401)
    },
  ],
  'a password that asks for a second factor after it was changed': [
    'accepted after its end',
    (s) => {
      const old = s.register([0, 10])
      s.change(s.login([11, 15], old), [20, 30])
      s.firstStep([40, 50], old)
    },
  ],
  'a password that lets in by itself where there is a second factor': [
    'outside the contract',
    (s) => {
      s.tell('first-step', [20, 30], { shows: s.register([0, 10]), status: 200 })
    },
  ],
  'a status that is not in the contract': [
    'outside the contract',
    (s) => {
      s.verify(s.login([0, 10]).access, [20, 25], 400)
    },
  ],
}

for (const [name, tell] of Object.entries(right)) {
  t.test(`passes: ${name}`, async (t) => {
    const story = makeStory()
    tell(story)
    t.strictSame(check(story.history.operations).violations, [])
  })
}

for (const [name, [kind, tell]] of Object.entries(wrong)) {
  t.test(`is found: ${name}`, async (t) => {
    const story = makeStory()
    tell(story)
    const found = check(story.history.operations).violations
    t.strictSame(
      found.map((violation) => violation.kind),
      [kind],
    )
  })
}

t.test('counts the answers that could have been wrong', async (t) => {
  const story = makeStory()
  const one = story.login([0, 10])
  story.verify(one.access, [11, 15])
  story.logout(one, [20, 30])
  story.verify(one.access, [29, 35], 401)
  story.verify(one.access, [31, 35], 401)
  const { ofAlive, ofEnded } = check(story.history.operations)
  t.strictSame({ ofAlive, ofEnded }, { ofAlive: 1, ofEnded: 1 })
})
