import { z } from 'zod'

/** A piece of the document. */
export type Tree = Record<string, unknown>

const KINDS = ['schemas', 'responses', 'parameters', 'examples', 'headers'] as const
export type Kind = (typeof KINDS)[number]

/** What the document says once and refers to: only what is referred to is in it. */
export interface Components {
  /** A reference to the component of this name, made at its first use. */
  readonly refer: (kind: Kind, name: string, make: () => Tree) => Tree
  /** All components so far, by kind and in alphabetical order. */
  readonly all: () => Tree
}

export function makeComponents(): Components {
  const made = Object.fromEntries(KINDS.map((kind) => [kind, new Map<string, Tree>()])) as Record<
    Kind,
    Map<string, Tree>
  >
  return {
    refer(kind, name, make) {
      if (!made[kind].has(name)) made[kind].set(name, make())
      return { $ref: `#/components/${kind}/${name}` }
    },
    all: () => Object.fromEntries(KINDS.map((kind) => [kind, sorted(Object.fromEntries(made[kind]))])),
  }
}

/** The same members, in alphabetical order. */
export function sorted<Value>(members: Record<string, Value>): Record<string, Value> {
  return Object.fromEntries(Object.entries(members).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** The JSON Schema of what a client sends (`input`) or gets (`output`). What has an id becomes a component. */
export function schemaOf(components: Components, schema: z.ZodType, io: 'input' | 'output'): Tree {
  const converted = z.toJSONSchema(schema, { io, target: 'draft-2020-12', override: tidy })
  const {
    $schema: _,
    $defs = {},
    ...root
  } = JSON.parse(JSON.stringify(converted).replaceAll('#/$defs/', '#/components/schemas/')) as Tree & {
    $defs?: Record<string, Tree>
  }
  for (const [name, definition] of Object.entries($defs)) components.refer('schemas', name, () => definition)
  return root['$ref'] === undefined ? root : { $ref: root['$ref'] }
}

/** Leaves out what says nothing more. */
function tidy({ jsonSchema }: { jsonSchema: Tree }): void {
  delete jsonSchema['propertyNames']
  if (jsonSchema['format'] !== undefined) delete jsonSchema['pattern']
}
