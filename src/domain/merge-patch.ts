/** Any JSON value, as JSON.parse gives it. */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json }
/** A JSON object. */
export type JsonObject = { [name: string]: Json }

/** Applies a JSON merge patch, RFC 7396 section 2. Neither argument is changed. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch
  const merged = new Map(Object.entries(isObject(target) ? target : {}))
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name)
    else merged.set(name, mergePatch(merged.get(name), value))
  }
  return Object.fromEntries(merged)
}

/** Whether a JSON value is an object. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
