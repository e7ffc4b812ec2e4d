import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findPackages } from './debian.ts'

const run = promisify(execFile)

export const PYTHON = '/usr/bin/python3'

/** The environment in which Python finds these modules: installed, else in Debian's packages, unpacked under this name; rejects when neither works. */
export async function findModules(
  name: string,
  modules: readonly string[],
  packages: readonly string[],
): Promise<Record<string, string>> {
  const bare = { PYTHONDONTWRITEBYTECODE: '1' }
  const works = (env: Record<string, string>) =>
    run(PYTHON, ['-c', `import ${modules.join(', ')}`], { env }).then(
      () => true,
      () => false,
    )
  if (await works(bare)) return bare
  const names = packages.map((each) => `python3-${each}`)
  const env = { ...bare, PYTHONPATH: join(await findPackages(name, names), 'usr/lib/python3/dist-packages') }
  if (await works(env)) return env
  throw new Error(`Python has no ${modules.join(', ')}: install ${names.join(', ')}`)
}
