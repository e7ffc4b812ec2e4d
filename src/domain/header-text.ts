const UTF8 = new TextDecoder('utf-8', { fatal: true })
const PRINTABLE_ASCII = /^[ -~]*$/

/** Controls, and what breaks a line or turns its direction for whoever reads it. */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u

/**
 * What the sender of a header wrote, without controls, at most `length` UTF-16 units and no half of a character. HTTP hands
 * over bytes, each as a character (Latin-1): they are read as UTF-8 if they are that.
 */
export function headerText(bytes: string, length: number): string {
  if (PRINTABLE_ASCII.test(bytes)) return bytes.slice(0, length)
  let text = ''
  for (const char of read(bytes)) {
    if (UNSEEN.test(char)) continue
    if (text.length + char.length > length) break
    text += char
  }
  return text
}

function read(bytes: string): string {
  try {
    return UTF8.decode(Buffer.from(bytes, 'latin1'))
  } catch {
    return bytes
  }
}
