import { z } from 'zod'

// The kinds of variables. A value has been trimmed; it is then in its one canonical form, or refused: what one parser
// forgives another takes for something else. A fault says what is wrong and repeats nothing of the value.

/** A text that is as `isCanonical` says. */
export const text = (isCanonical: (value: string) => boolean, fault: string) => z.string().refine(isCanonical, fault)

/** A whole number in decimal digits, without leading zeros. */
export const integer = (fallback: number, least: number, most: number) =>
  z
    .string()
    .default(String(fallback))
    .transform(readCount)
    .refine((value) => value >= least && value <= most, `must be a whole number from ${least} to ${most}`)

/** The number that a text of decimal digits without leading zeros is; NaN if it is none. */
export function readCount(digits: string): number {
  return /^(?:0|[1-9]\d{0,8})$/.test(digits) ? Number(digits) : NaN
}

/** Comma-separated items, each of them trimmed; empty ones do not count. */
export const list = () => z.string().default('').transform(readItems)

function readItems(value: string): string[] {
  const items = value.split(',').map((item) => item.trim())
  return items.filter((item) => item !== '')
}
