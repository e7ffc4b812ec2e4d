import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, type BrowserContextOptions, chromium } from 'playwright-core'
import { findProgram, type Program } from './debian.ts'

/** A running Chromium. */
export type Browser = {
  /** A person's browser of their own: no cookie, no storage. */
  readonly newPerson: (options?: BrowserContextOptions) => Promise<BrowserContext>
  readonly close: () => Promise<void>
}

const DATA_HOME = process.env['XDG_DATA_HOME'] || join(homedir(), '.local/share')

// Nothing that speaks to anybody but the pages of the test.
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Starts Chromium with everything it writes in a folder of its own; fonts of the person who starts it are found. */
export async function openBrowser(): Promise<Browser> {
  const { command, env } = await findChromium()
  const home = await mkdtemp(join(tmpdir(), 'latchkey-chromium-'))
  const browser = await chromium.launch({
    executablePath: command,
    args: QUIET,
    env: { ...(env as Record<string, string>), HOME: home, TMPDIR: home, XDG_DATA_HOME: DATA_HOME },
  })
  return {
    newPerson: (options = {}) => browser.newContext({ locale: 'en-GB', ...options }),
    async close() {
      await browser.close()
      await rm(home, { recursive: true, force: true })
    },
  }
}

// An unpacked Chromium finds the fonts that were unpacked with it, and those of the machine.
const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir prefix="relative">usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <dir prefix="xdg">fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`

async function findChromium(): Promise<Program> {
  // The shell is Chromium without its windows, and takes half the processor time.
  const program = await findProgram({
    name: 'chromium-headless-shell',
    aliases: ['chromium', 'chromium-browser', 'google-chrome'],
    packages: ['chromium-headless-shell', 'fonts-dejavu-core'],
    path: 'usr/lib/chromium/chromium-headless-shell',
    libraries: ['pulseaudio'],
    version: '--version',
    finish: (folder) => writeFile(join(folder, 'fonts.conf'), FONTS),
    missing: 'No Chromium found: install chromium (Debian) or google-chrome (elsewhere) and run this again.',
  })
  const fonts = join(program.command, '../../../../fonts.conf')
  return existsSync(fonts) ? { ...program, env: { ...program.env, FONTCONFIG_FILE: fonts } } : program
}
