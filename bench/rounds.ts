import { type Exchange, type Load, openLoad } from './drive.ts'
import type { Sample, Samples, Stretch } from './report.ts'
import { type Cores, readCpuMs, readPeakMb, startContender, type Started } from './servers.ts'
import { ARGON2 } from './traffic.ts'

// Servers that are measured side by side.

const STRETCH_MS = 200
/** Until the compiler has done its work: of the server's own processor time, however busy the machine is. */
const WARM_CPU_MS = process.env['QUICK'] === '1' ? 1200 : 2500
export const CONNECTIONS = 64

/** A server, the load it is under, and what it has done so far. */
export interface Subject {
  readonly server: Started
  readonly load: Load
  readonly stretches: Stretch[]
}

/** Puts a server under a load of its own, which runs when it is told to. */
export async function underLoad(server: Started, next: () => Exchange, connections = CONNECTIONS): Promise<Subject> {
  return { server, load: await openLoad(server.port, connections, next), stretches: [] }
}

/** Nothing but the hash of a login. */
export async function bareArgon2(cores: Cores | null): Promise<Subject> {
  const server = await startContender(cores, 'argon2', ARGON2)
  const run = async (forMs: number) => (await server.call('POST', `/${forMs}`)).body
  const load = { run: async (forMs: number) => JSON.parse(await run(forMs)), close: () => {} }
  return { server, load, stretches: [] }
}

/**
 * One round: fresh processes, warmed up, then short stretches of load on one after the other, again and again, so that
 * whatever else the machine does meets them all.
 */
export async function measure(
  subjects: Record<string, () => Promise<Subject>>,
  seconds: number,
): Promise<Record<string, Sample>> {
  const running = new Map<string, Subject>()
  for (const [name, start] of Object.entries(subjects)) running.set(name, await start())
  for (const subject of running.values()) await warm(subject)
  for (let done = 0; done < seconds * 1000; done += STRETCH_MS) {
    for (const subject of running.values()) await stretch(subject)
  }
  const samples = [...running].map(([name, subject]) => [name, sampleOf(subject)] as const)
  for (const { server, load } of running.values()) {
    load.close()
    await server.kill()
  }
  return Object.fromEntries(samples)
}

/** So many rounds, told as they go; the samples of each subject, one a round. */
export async function measureRounds(
  subjects: Record<string, () => Promise<Subject>>,
  rounds: number,
  seconds: number,
): Promise<Samples> {
  const samples: Samples = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]))
  for (let round = 1; round <= rounds; round += 1) {
    for (const [name, sample] of Object.entries(await measure(subjects, seconds))) samples[name]?.push(sample)
    process.stderr.write(`round ${round} of ${rounds}\n`)
  }
  return samples
}

async function warm({ server, load }: Subject): Promise<void> {
  const from = readCpuMs(server.pid)
  while (readCpuMs(server.pid) - from < WARM_CPU_MS) await load.run(STRETCH_MS)
}

async function stretch({ server, load, stretches }: Subject): Promise<void> {
  const from = readCpuMs(server.pid)
  const { answers, failures, ms } = await load.run(STRETCH_MS)
  const cpuMs = readCpuMs(server.pid) - from
  stretches.push({ perSecond: (answers / ms) * 1000, cpuUs: (cpuMs / answers) * 1000, busy: cpuMs / ms, failures })
}

function sampleOf({ server, stretches }: Subject): Sample {
  return { stretches, peakMb: readPeakMb(server.pid), startMs: server.startMs }
}
