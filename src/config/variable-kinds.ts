import * as z from 'zod'

// The kinds of variables. A value, trimmed before, must be in its canonical form: a form that one parser forgives, another takes for
// something else. The message of a fault says what is wrong, and shows nothing of the value.

/** The schema of a variable that holds a text for which `isCanonical` holds. */
export const text = (isCanonical: (value: string) => boolean, fault: string) => z.string().refine(isCanonical, fault)

/** The schema of a variable that `read` reads, null if it cannot; `faultOf` then says what is wrong. */
export const readable = <T>(read: (value: string) => T | null, faultOf: (value: string) => string) =>
  z.string().transform((value, context) => {
    const found = read(value)
    if (found === null) context.addIssue(faultOf(value))
    return found ?? z.NEVER
  })

/** The schema of a variable that holds a text in which `faultOf` finds no fault (null). */
export const faultless = (faultOf: (value: string) => string | null) =>
  z.string().superRefine((value, context) => {
    const fault = faultOf(value)
    if (fault !== null) context.addIssue(fault)
  })

/** The schema of a variable that holds a whole number, in decimal digits without leading zeros. */
export const integer = (fallback: number, least: number, most: number) =>
  z.string().default(String(fallback)).pipe(anyInteger(least, most))

/** The schema of a whole number as `integer` reads it, without a default. */
export const anyInteger = (least: number, most: number) =>
  z
    .string()
    .transform(readCount)
    .refine((value) => value >= least && value <= most, `must be a whole number from ${least} to ${most}`)

/** Reads a whole number of at most nine decimal digits without leading zeros; NaN: the text is none. */
export function readCount(digits: string): number {
  return /^(?:0|[1-9]\d{0,8})$/.test(digits) ? Number(digits) : NaN
}

/** The schema of a variable that holds comma-separated items, each trimmed; empty items are left out. */
export const list = () => z.string().default('').transform(readItems)

function readItems(value: string): string[] {
  const items = value.split(',').map((item) => item.trim())
  return items.filter((item) => item !== '')
}
