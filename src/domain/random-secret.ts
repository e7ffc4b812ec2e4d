const WELL_KNOWN = /secret|example|password|passw0rd|change-?_?me|latchkey|default|insecure|your-/i
const PRINTABLE = /^[\x20-\x7e]+$/
const MIN_BYTES = 32
const MIN_DIFFERENT = 16

/**
 * The bytes of a base64url secret that looks random; null if it is short, repeated, counted, spelled out or an example. The bits
 * that its last letter has over mean nothing, and only the bytes are used: a secret of letters picked by hand is one.
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

/** Whether half of the steps from byte to byte are the same. */
function countsUp(bytes: Buffer): boolean {
  const steps = bytes.subarray(1).map((byte, place) => byte - (bytes[place] ?? 0))
  const counts = new Map<number, number>()
  for (const step of steps) counts.set(step, (counts.get(step) ?? 0) + 1)
  return Math.max(...counts.values()) > steps.length / 2
}

/** Whether the bytes are a shorter run of bytes over and over. */
function isRepeated(bytes: Buffer): boolean {
  const periods = Array.from({ length: Math.floor(bytes.length / 2) }, (_, place) => place + 1)
  return periods.some((period) => bytes.subarray(period).equals(bytes.subarray(0, bytes.length - period)))
}
