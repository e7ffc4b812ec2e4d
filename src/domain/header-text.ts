const UTF8 = new TextDecoder('utf-8', { fatal: true })
const PRINTABLE_ASCII = /^[ -~]*$/

/** Control characters, and those that break a line or turn its direction: they would forge what a reader of the log sees. */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u

/**
 * The text of a header, without control characters, cut to at most `length` UTF-16 units and never within a character. Node
 * hands over each byte as one character (Latin-1); bytes that are UTF-8 are read as UTF-8.
 */
export function headerText(bytes: string, length: number): string {
  if (PRINTABLE_ASCII.test(bytes)) return bytes.slice(0, length)
  let text = ''
  for (const char of decode(bytes)) {
    if (UNSEEN.test(char)) continue
    if (text.length + char.length > length) break
    text += char
  }
  return text
}

function decode(bytes: string): string {
  try {
    return UTF8.decode(Buffer.from(bytes, 'latin1'))
  } catch {
    return bytes
  }
}
