const LIST = /^[\t ,]*(?:(?:W\/)?"[^"]*"[\t ]*(?:,[\t ,]*|$))+$/
const OPAQUE_TAG = /"[^"]*"/g

/**
 * Whether an If-Match lets a change of what has this entity tag through, RFC 9110 section 13.1.1: it is `*`, or a list that has
 * the tag. What is neither lets nothing through. That section compares strongly, so that nobody overwrites what only
 * resembles what was read; our tags are made of the whole content, so a weak one says no less. It is ours, too: nginx, where it
 * compresses, turns "x" into W/"x", and that is what clients send back.
 */
export function isMatch(ifMatch: string, etag: string): boolean {
  if (ifMatch.trim() === '*') return true
  return LIST.test(ifMatch) && [...ifMatch.matchAll(OPAQUE_TAG)].some(([tag]) => tag === etag)
}
