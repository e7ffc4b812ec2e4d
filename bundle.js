import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { build } from 'esbuild'

// Part of npm run build: what ships goes to dist/, with the packages it needs; what is loaded on demand stays apart. To find
// and load a thousand small files takes as much processor time again as the start itself.

/** Instances that only tests start; the build of the image has no tests. */
const INSTANCES = ['linearizability/broken-instance', 'support/cheap-instance', 'support/mortal-instance']
  .map((name) => [`build/test/${name}`, `test/${name}.ts`])
  .filter(([, source]) => existsSync(source))

const { outputFiles } = await build({
  entryPoints: {
    'dist/main': 'src/main.ts',
    'dist/healthcheck': 'src/commands/healthcheck.ts',
    ...Object.fromEntries(INSTANCES),
  },
  outdir: '.',
  chunkNames: 'dist/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  external: [
    '@opentelemetry/*',
    'argon2',
    'bcrypt',
    'lmdb',
    // Fastify loads these only for JSON Schemas and injected requests, and the service has neither.
    '@fastify/ajv-compiler',
    '@fastify/fast-json-stringify-compiler',
    'light-my-request',
  ],
  // CommonJS packages ask for Node's own modules.
  banner: {
    js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
  },
  write: false,
  logLevel: 'warning',
})

// Commands build, too, beside a service that runs or starts: where nothing is new, nothing is touched.
mkdirSync('dist', { recursive: true })
for (const { path, contents } of outputFiles)
  if (!existsSync(path) || !readFileSync(path).equals(contents)) writeFileSync(path, contents)
const wanted = new Set(outputFiles.map(({ path }) => path))
for (const file of readdirSync('dist').map((name) => resolve('dist', name))) if (!wanted.has(file)) rmSync(file)
