import { appOf, STEP_MS } from '../support/factors.ts'
import type { Random } from './random.ts'

// What people with second factors prove: a code of an authenticator app, or a recovery code.

/** A code to show; `name` is the same whenever it is the same code. */
export type Code = { readonly name: string; readonly proof: { readonly [factor in Factor]?: string } }
type Factor = 'totp' | 'recovery_code'

/** The codes of one enrolment. */
export type Codes = {
  /** Mostly one that nobody has taken; now and then, or when there is none, one that has been shown before. */
  readonly take: (random: Random) => Code
  readonly left: () => number
  /** The recovery codes of before are dead. */
  readonly renew: (recoveryCodes: readonly string[]) => void
}

/** Codes that are shown again: the newest ones. */
const RECENT = 5

/** The code of an app that is good now. */
export function codeOfNow(secret: string): Code {
  return codeOfStep(secret, Math.floor(Date.now() / STEP_MS))
}

function codeOfStep(secret: string, step: number): Code {
  const { code } = appOf({ clock: { now: step * STEP_MS } }, secret)
  return { name: `${secret} ${step}`, proof: { totp: code() } }
}

/** Keeps what an enrolment has given; `confirmed` is the code that it was confirmed with. */
export function makeCodes(secret: string, confirmed: Code, recoveryCodes: readonly string[]): Codes {
  const shown = [confirmed]
  let lastStep = Math.floor(Date.now() / STEP_MS)
  let left = [...recoveryCodes]

  /** A step either side of now is good, too. */
  function ofApp(): Code | null {
    const now = Math.floor(Date.now() / STEP_MS)
    if (lastStep > now) return null
    lastStep = Math.max(lastStep + 1, now - 1)
    return codeOfStep(secret, lastStep)
  }

  function ofPaper(): Code | null {
    const text = left.shift()
    return text === undefined ? null : { name: text, proof: { recovery_code: text } }
  }

  return {
    take(random) {
      const fresh = random.chance(0.1) ? null : (ofApp() ?? ofPaper())
      const code = fresh ?? random.pick(shown.slice(-RECENT)) ?? confirmed
      if (fresh) shown.push(fresh)
      return code
    },
    left: () => left.length,
    renew(codes) {
      left = [...codes]
    },
  }
}
