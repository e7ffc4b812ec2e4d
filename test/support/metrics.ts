/** A line of /metrics that has a value: its name with its labels, and the value. */
export type Samples = ReadonlyMap<string, number>

/** Reads the text format of Prometheus; throws where a line is none. */
export function readSamples(text: string): Samples {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const [, name = '', value] = /^([a-z_\d]+(?:\{.*\})?) (\S+)$/.exec(line) ?? []
      if (value === undefined) throw new Error(`no sample: ${line}`)
      return [name, Number(value)]
    }),
  )
}

/** The names of the metrics that the text tells of, with their types. */
export function readTypes(text: string): ReadonlyMap<string, string> {
  return new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]))
}
