import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { readConfig } from '../../src/config/environment.ts'
import { VARIABLES } from '../../src/config/variables.ts'
import { SECRETS } from '../../src/config/secret-files.ts'
import { startChild } from '../support/child.ts'
import { findProgram } from '../support/debian.ts'
import { freePort } from '../support/free-port.ts'
import { ADMIN_KEY, TEST_SECRET } from '../support/env.ts'
import { callAt, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'
import { launchRedis } from '../support/world.ts'

// The files that run the service elsewhere, compose.yaml and those of deploy/: what they name is there, and what they set is taken.

const KNOWN = new Set([...VARIABLES, ...SECRETS.map((name) => `${name}_FILE`), 'NODE_ENV', 'MALLOC_ARENA_MAX'])
const FILES = { 'auth-secret': TEST_SECRET, 'redis-url': 'redis://10.0.0.1', 'admin-keys': `ops=${ADMIN_KEY}` }

/** A folder with these files, which goes with the test. */
async function makeFolder(t: Test, files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-deploy-'))
  t.teardown(() => rm(dir, { recursive: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), `${text}\n`)
  return dir
}

/** The settings of this environment, whose secrets are in this folder in place of the one that it names. */
function settingsOf(env: Readonly<Record<string, string>>, dir: string, place: string) {
  return readConfig(Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value.replace(place, dir)])))
}

t.test('the unit of systemd', async (t) => {
  const redis = await launchRedis(t)
  const [port, adminPort, etc] = [
    await freePort(),
    await freePort(),
    await makeFolder(t, { ...FILES, 'redis-url': redis.url }),
  ]
  const env = `ISSUER=http://localhost:3000\nPORT=${port}\nADMIN_PORT=${adminPort}\n`
  await writeFile(join(etc, 'settings'), env)
  const shown = readFileSync('deploy/systemd/latchkey.service', 'utf8')
  const unit = shown
    .replaceAll('/usr/bin/node', process.execPath)
    .replaceAll('/opt/latchkey', process.cwd())
    .replaceAll('/etc/latchkey', etc)
  const valuesOf = (name: string) =>
    [...unit.matchAll(new RegExp(`^${name}=(.+)$`, 'gm'))].map(([, value = '']) => value)

  await t.test('is one that systemd takes, and finds well hardened', async (t) => {
    await writeFile(join(etc, 'latchkey.service'), unit)
    const { command, env } = await findProgram({
      name: 'systemd-analyze',
      packages: ['systemd'],
      path: 'usr/bin/systemd-analyze',
      libraries: ['systemd'],
      version: '--version',
      missing: 'No systemd-analyze found: install systemd and run this again.',
    })
    const analyze = async (...args: string[]) => {
      const { stdout, stderr } = await promisify(execFile)(command, [...args, join(etc, 'latchkey.service')], { env })
      return { stdout, stderr }
    }
    t.equal((await analyze('verify', '--man=no')).stderr.includes('latchkey.service'), false)
    const { stdout } = await analyze('security', '--offline=true', '--threshold=20')
    t.match(stdout, /Overall exposure level .*: [01]\.\d OK/)
  })

  await t.test('names only files that there are', async (t) => {
    const paths = [...unit.matchAll(/(?<=[\s=:])\/[\w./-]+/g)].map(([path]) => path)
    const there = paths.filter((path) => !/mail-url|\/docs\/operating/.test(path))
    t.ok(there.length > 6)
    t.strictSame(
      there.filter((path) => !existsSync(path)),
      [],
    )
  })

  await t.test('starts a service that is ready, with its secrets from files', async (t) => {
    const state = await makeFolder(t, {})
    await mkdir(join(state, 'latchkey'), { mode: 0o700 })
    const specified = (text: string) => text.replaceAll('%d', etc).replaceAll('%S', state)
    const pairs = [...valuesOf('Environment').flatMap((line) => line.split(' ')), ...env.trim().split('\n')]
    const settings = Object.fromEntries(pairs.map((pair) => specified(pair).split('=', 2) as [string, string]))
    t.strictSame(
      Object.keys(settings).filter((name) => !KNOWN.has(name)),
      [],
    )
    t.notOk(
      Object.keys(settings).some((name) => (SECRETS as readonly string[]).includes(name)),
      'no secret is in the environment',
    )
    const child = startChild(specified(valuesOf('ExecStart')[0] ?? '').split(' '), settings)
    t.teardown(() => child.end('SIGKILL'))
    const isReady = async (at: number) => (await callAt(`http://127.0.0.1:${at}`)('GET', '/readyz/own')).status === 200
    for (const at of [port, adminPort]) await eventually(() => isReady(at), { within: 15_000 })
    t.equal(await child.end('SIGTERM'), 0)
    t.ok(Number(valuesOf('TimeoutStopSec')) > 10)
  })
})

interface Container {
  readonly environment: Readonly<Record<string, string>>
  readonly networks: Readonly<Record<string, { ipv4_address?: string } | null>> | readonly string[]
  readonly volumes?: readonly string[]
  readonly secrets?: readonly string[]
  readonly profiles?: readonly string[]
  readonly ports?: readonly string[]
}

t.test('compose.yaml', async (t) => {
  const file = parse(readFileSync('compose.yaml', 'utf8'), { merge: true })
  const services: Record<string, Container> = file.services
  const instances = Object.entries(services).filter(([name]) => name.startsWith('latchkey-'))
  const networksOf = ({ networks }: Container) =>
    (Array.isArray(networks) ? networks : Object.keys(networks)) as string[]

  /** What compose makes of a value: with none, or with all, of its variables set. */
  const filled = (value: unknown, isSet: boolean) =>
    String(value).replaceAll(/\$\{\w+:([+-])(.*?)\}/g, (_, sign, text) => ((sign === '+') === isSet ? text : ''))

  await t.test('sets variables that there are, and that are taken, with and without what is optional', async (t) => {
    t.equal(instances.length, 2)
    const dir = await makeFolder(t, { ...FILES, 'mail-url': 'smtps://user:password@mail.example.org' })
    for (const [name, { environment, secrets = [] }] of instances)
      for (const isSet of [false, true]) {
        t.strictSame(
          Object.keys(environment).filter((variable) => !KNOWN.has(variable)),
          [],
        )
        const env = Object.fromEntries(
          Object.entries(environment).map(([variable, value]) => [variable, filled(value, isSet)]),
        )
        const mail = isSet ? { MAIL_FROM: 'a@example.org', APP_URL: 'http://localhost:8080' } : {}
        const config = settingsOf({ ...env, ...mail }, dir, '/run/secrets')
        t.equal(config.AUTH_SECRET.length, 1, name)
        t.equal(config.ADMIN_KEYS.length, isSet ? 1 : 0)
        t.equal(config.MAIL_URL?.kind, isSet ? 'smtp' : undefined)
        const named = Object.values(env).flatMap((value) => /^\/run\/secrets\/(.+)$/.exec(value)?.[1] ?? [])
        t.ok(named.every((secret) => secrets.includes(secret) && file.secrets[secret].file !== undefined))
      }
  })

  await t.test('lets nobody but Prometheus at the operator’s listener', (t) => {
    const config = parse(readFileSync('deploy/prometheus/prometheus.yml', 'utf8'))
    const targets: string[] = config.scrape_configs[0].static_configs[0].targets
    t.strictSame(
      targets,
      instances.map(([name, { environment }]) => `${name}:${environment['ADMIN_PORT']}`),
    )
    t.equal(file.networks.inner.internal, true)
    const others = Object.entries(services).filter(
      ([name, service]) => networksOf(service).includes('inner') && !name.startsWith('latchkey-'),
    )
    t.strictSame(
      others.map(([name]) => name),
      ['prometheus'],
    )
    for (const [name, { environment, networks, ports }] of instances) {
      const { inner } = networks as Record<string, { ipv4_address?: string }>
      t.equal(environment['ADMIN_HOST'], inner?.ipv4_address, name)
      t.equal(ports, undefined)
    }
    const published = Object.values(services).flatMap(({ ports = [] }) => ports)
    t.ok(published.every((port) => port.startsWith('127.0.0.1:')))
    t.end()
  })

  await t.test('mounts files that there are, and the dashboard finds its data source', (t) => {
    const mounts = Object.values(services).flatMap(({ volumes = [] }) => volumes.map((volume) => volume.split(':')))
    const files = mounts.filter(([from]) => from?.startsWith('./'))
    t.ok(files.length > 5)
    t.strictSame(
      files.filter(([from = '']) => !existsSync(from)),
      [],
    )
    const { providers } = parse(readFileSync('deploy/grafana/dashboards.yml', 'utf8'))
    t.ok(files.some(([, to]) => to === `${providers[0].options.path}/latchkey.json`))
    const { datasources } = parse(readFileSync('deploy/grafana/datasources.yml', 'utf8'))
    t.match(datasources, [{ type: 'prometheus', url: 'http://prometheus:9090', isDefault: true }])
    t.ok(services['prometheus'] && networksOf(services['prometheus']).includes('desk'))
    for (const name of ['prometheus', 'grafana']) t.strictSame(services[name]?.profiles, ['watch'])
    t.end()
  })
})

t.test('the deployment of Kubernetes asks ports and probes that there are', async (t) => {
  const [document] = parseAllDocuments(readFileSync('deploy/kubernetes/latchkey.yaml', 'utf8'))
  const pod = document?.toJS().spec.template.spec
  const [container] = pod.containers
  const env: Record<string, string> = Object.fromEntries(
    container.env.map(({ name, value }: { name: string; value: string }) => [name, value]),
  )
  t.strictSame(
    Object.keys(env).filter((name) => !KNOWN.has(name)),
    [],
  )
  const dir = await makeFolder(t, FILES)
  const config = settingsOf(env, dir, container.volumeMounts[0].mountPath)
  const ports = new Map(
    container.ports.map((port: { name: string; containerPort: number }) => [port.name, port.containerPort]),
  )
  t.strictSame([ports.get('http'), ports.get('metrics')], [config.PORT, config.ADMIN_PORT])
  t.ok(pod.terminationGracePeriodSeconds > 10)

  const redis = await launchRedis(t)
  const port = await freePort()
  const service = await startService({
    AUTH_SECRET: TEST_SECRET,
    REDIS_URL: redis.url,
    ISSUER: env['ISSUER'] ?? '',
    PORT: `${port}`,
  })
  t.teardown(service.kill)
  for (const kind of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
    const { path, port: name } = container[kind].httpGet
    t.equal(name, 'http')
    t.equal((await service.call('GET', path)).status, 200, `${kind} ${path as string}`)
  }
})
