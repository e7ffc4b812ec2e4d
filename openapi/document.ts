import { readFileSync } from 'node:fs'
import type { KnownRoute } from '../src/http/plugins/unknown-routes.ts'
import { PROBLEM_CODES, statusOf } from '../src/http/problems.ts'
import type { Tree } from './components.ts'
import { makeComponents, sorted } from './components.ts'
import { operationOf, titleOf } from './operation.ts'
import { ADMIN_DESCRIPTION, ADMIN_SECURITY_SCHEMES, ADMIN_TAGS } from './admin-texts.ts'
import { DESCRIPTION, SECURITY_SCHEMES, TAGS } from './texts.ts'

/** A committed document, two levels above this file when it is compiled, and what it says that its routes do not. */
export interface About {
  readonly file: URL
  readonly title: string
  readonly description: string
  readonly tags: Readonly<Record<string, string>>
  readonly securitySchemes: object
}

/** The contract of the service. */
export const PUBLIC: About = {
  file: new URL('../../openapi/openapi.json', import.meta.url),
  title: 'Latchkey',
  description: DESCRIPTION,
  tags: TAGS,
  securitySchemes: SECURITY_SCHEMES,
}

/** The contract of the operator's listener. */
export const ADMIN: About = {
  file: new URL('../../openapi/admin.json', import.meta.url),
  title: 'Latchkey, for its operator',
  description: ADMIN_DESCRIPTION,
  tags: ADMIN_TAGS,
  securitySchemes: ADMIN_SECURITY_SCHEMES,
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/** The OpenAPI 3.1 document of these routes: the same text for the same routes, in whatever order they were added. */
export function documentOf(routes: readonly KnownRoute[], about: About): string {
  const components = makeComponents()
  const paths: Record<string, Tree> = {}
  for (const route of routes) {
    const path = route.url.replace(/:(\w+)/g, '{$1}')
    paths[path] = sorted({ ...paths[path], [route.method.toLowerCase()]: operationOf(components, route) })
  }
  const document = {
    openapi: '3.1.0',
    info: {
      title: about.title,
      version,
      description: `${about.description}\n\n${problemTable()}`,
      contact: { name: 'The maintainers of Latchkey' },
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'The service this document came from.' }],
    tags: Object.entries(about.tags).map(([name, description]) => ({ name, description })),
    paths: sorted(paths),
    components: { securitySchemes: about.securitySchemes, ...components.all() },
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

function problemTable(): string {
  const rows = PROBLEM_CODES.map((code) => `| ${statusOf(code)} | \`${code}\` | ${titleOf(code)} |`)
  return ['| status | code | meaning |', '| --- | --- | --- |', ...rows].join('\n')
}
