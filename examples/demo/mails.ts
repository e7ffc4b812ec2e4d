import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import PostalMime from 'postal-mime'

/** A mail that the service has sent, as the page shows it. */
export interface SentMail {
  readonly id: string
  readonly to: string
  readonly subject: string
  readonly text: string
}

const SHOWN = 5

/** The latest mails in the folder of `MAIL_URL=file:…`, the newest first; none while there is no folder. */
export async function readMails(folder: string): Promise<readonly SentMail[]> {
  const files = await readdir(folder).catch(() => [])
  const whole = files.filter((name) => /^[^.].*\.eml$/.test(name)) // one that is being written begins with a dot
  const latest = whole.toSorted().toReversed().slice(0, SHOWN) // a name begins with the time
  return Promise.all(latest.map((name) => readMail(folder, name)))
}

async function readMail(folder: string, name: string): Promise<SentMail> {
  const { to = [], subject = '', text = '' } = await PostalMime.parse(await readFile(join(folder, name)))
  return { id: name, to: to[0]?.address ?? '', subject, text }
}
