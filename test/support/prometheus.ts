import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { startChild } from './child.ts'
import { findProgram, type Program } from './debian.ts'
import { freePort } from './free-port.ts'
import { callAt } from './service.ts'
import { eventually } from './settle.ts'

/** A sample that a query was answered with. */
export interface Found {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [at: number, value: string]
}

/** An alert of a rule, pending or firing. */
export interface Alert {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly state: 'pending' | 'firing'
}

/** A running Prometheus. */
export interface Prometheus {
  /** Asks it; rejects with its words where it finds a fault in the query. */
  readonly query: (text: string) => Promise<readonly Found[]>
  readonly alerts: () => Promise<readonly Alert[]>
  /** The names of all metrics it has met. */
  readonly names: () => Promise<ReadonlySet<string>>
}

/** Starts a Prometheus that scrapes these ports of 127.0.0.1 four times a second, as the job latchkey, under these rules. */
export async function startPrometheus(t: Test, ports: readonly number[], rules: string): Promise<Prometheus> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-prometheus-'))
  const targets = ports.map((port) => `127.0.0.1:${port}`)
  const config = {
    global: { scrape_interval: '250ms', scrape_timeout: '250ms', evaluation_interval: '250ms' },
    rule_files: ['rules.yml'],
    scrape_configs: [{ job_name: 'latchkey', static_configs: [{ targets }] }],
  }
  await writeFile(join(dir, 'prometheus.yml'), JSON.stringify(config)) // which is YAML
  await writeFile(join(dir, 'rules.yml'), rules)
  const { command, env } = await prometheus()
  const port = await freePort()
  const child = startChild(
    [
      command,
      `--config.file=${dir}/prometheus.yml`,
      `--storage.tsdb.path=${dir}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { ...env, GOMAXPROCS: '1' },
  )
  t.teardown(async () => {
    await child.end('SIGKILL')
    await rm(dir, { recursive: true, force: true })
  })
  const call = callAt(`http://127.0.0.1:${port}`)
  await eventually(async () => child.hasExited() || (await call('GET', '/-/ready')).status === 200, { within: 20_000 })
  if (child.hasExited()) throw new Error(['prometheus exited', ...child.lines().slice(-5)].join('\n'))

  async function ask<T>(path: string): Promise<T> {
    const { body } = await call('GET', `/api/v1/${path}`)
    if (body.status !== 'success') throw new Error(`${path}: ${body.error}`)
    return body.data
  }
  return {
    query: async (text) => (await ask<{ result: Found[] }>(`query?query=${encodeURIComponent(text)}`)).result,
    alerts: async () => (await ask<{ alerts: Alert[] }>('alerts')).alerts,
    names: async () => new Set(await ask<string[]>('label/__name__/values')),
  }
}

/** Runs promtool; rejects with what it prints where it finds a fault. */
export async function promtool(...args: string[]): Promise<string> {
  const { command, env } = await prometheus()
  const tool = command.replace(/prometheus$/, 'promtool') // the package has both
  const { stdout, stderr } = await promisify(execFile)(tool, args, { env })
  return stdout + stderr
}

function prometheus(): Promise<Program> {
  return findProgram({
    name: 'prometheus',
    packages: ['prometheus'],
    path: 'usr/bin/prometheus',
    version: '--version',
    missing: 'No Prometheus found: install prometheus (Debian, Ubuntu) and run this again.',
  })
}
