const WELL_KNOWN = /secret|example|password|passw0rd|change-?_?me|latchkey|default|insecure|your-/i
const PRINTABLE = /^[\x20-\x7e]+$/
const MIN_BYTES = 32
const MIN_DIFFERENT = 16

/**
 * Reads a secret in base64url that looks random: at least 32 bytes. Null: it is short, a repeated pattern, a sequence, readable
 * text or a known example. The last letter may have bits beyond the last byte; they are ignored, because only the bytes are used.
 */
export function readSecret(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url')
  if (!/^[\w-]+$/.test(text) || bytes.length < MIN_BYTES) return null
  const decoded = bytes.toString('latin1')
  const isSpelled = WELL_KNOWN.test(text) || WELL_KNOWN.test(decoded) || PRINTABLE.test(decoded)
  const isCounted = countsUp(Buffer.from(text)) || countsUp(bytes)
  const isRandom = new Set(bytes).size >= MIN_DIFFERENT && !isRepeated(bytes) && !isSpelled && !isCounted
  return isRandom ? bytes : null
}

/** Whether more than half of the steps from one byte to the next are the same. */
function countsUp(bytes: Buffer): boolean {
  const steps = bytes.subarray(1).map((byte, place) => byte - (bytes[place] ?? 0))
  const counts = new Map<number, number>()
  for (const step of steps) counts.set(step, (counts.get(step) ?? 0) + 1)
  return Math.max(...counts.values()) > steps.length / 2
}

/** Whether the bytes repeat a shorter run of bytes. */
function isRepeated(bytes: Buffer): boolean {
  const periods = Array.from({ length: Math.floor(bytes.length / 2) }, (_, place) => place + 1)
  return periods.some((period) => bytes.subarray(period).equals(bytes.subarray(0, bytes.length - period)))
}
