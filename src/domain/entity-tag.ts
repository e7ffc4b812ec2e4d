const LIST = /^[\t ,]*(?:(?:W\/)?"[^"]*"[\t ]*(?:,[\t ,]*|$))+$/
const OPAQUE_TAG = /"[^"]*"/g

/**
 * Whether an If-Match header permits to change a document that has this entity tag, RFC 9110 section 13.1.1: the header is `*`, or
 * a list that has the tag; any other text permits nothing. A weak tag, W/"x", counts as "x": where nginx compresses an answer it
 * makes the tag weak, and clients send that back. The section compares strongly, so that nobody overwrites a document that is
 * only similar to the one they read; our tags are digests of the whole document, so a weak one proves as much.
 */
export function isMatch(ifMatch: string, etag: string): boolean {
  if (ifMatch.trim() === '*') return true
  return LIST.test(ifMatch) && [...ifMatch.matchAll(OPAQUE_TAG)].some(([tag]) => tag === etag)
}
