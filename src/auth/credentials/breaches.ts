import { createHash } from 'node:crypto'

/** Whether this password, in its NFC form, is known from a breach. Never rejects: what cannot be known counts as no. */
export type IsBreached = (password: string) => Promise<boolean>

/** A person waits: after so many ms without an answer the password is taken. */
const PATIENCE_MS = 1000
/** The service sees so many of the 40 hexadecimal digits of the SHA-1 of a password, which many passwords share. */
const PREFIX_LENGTH = 5

/** Knows of no breach: for a service without a list. */
export const knowsNoBreach: IsBreached = () => Promise.resolve(false)

/**
 * Asks a list of breached passwords that is served as Have I Been Pwned serves its own: `url` and the prefix of a SHA-1 give a
 * line `SUFFIX:COUNT` for each known password with this prefix. `onOutage` hears why the list could not be asked.
 */
export function openBreaches(url: string, onOutage: (error: Error) => void): IsBreached {
  return async (password) => {
    const digest = createHash('sha1').update(password).digest('hex').toUpperCase()
    try {
      const lines = await readRange(url + digest.slice(0, PREFIX_LENGTH))
      return lines.some((line) => isCounted(line, digest.slice(PREFIX_LENGTH)))
    } catch (error) {
      onOutage(error as Error)
      return false
    }
  }
}

// Padding makes all answers about as long: whoever sees only their lengths does not learn the prefix.
async function readRange(url: string): Promise<string[]> {
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const answer = await fetch(url, { headers: { 'add-padding': 'true' }, redirect: 'error', signal })
  if (answer.status !== 200) throw new Error(`the list of breached passwords answered ${answer.status}`)
  return (await answer.text()).split(/\r?\n/)
}

/** Whether the line is of this suffix. A line of padding has the count 0. */
function isCounted(line: string, suffix: string): boolean {
  const [found = '', count = '0'] = line.split(':')
  return found.toUpperCase() === suffix && Number(count) > 0
}
