import { collectDefaultMetrics, type Metric as Registered, Registry } from 'prom-client'
import { catalogueOf, type Metric, type Sources } from './catalogue.ts'

/** What a scrape is answered. */
export interface Exposition {
  readonly contentType: string
  readonly text: () => Promise<string>
}

/** The metrics of Node and of this process: there is one process, however many apps tell of it. */
let ofProcess: Registry | null = null

/** Makes what tells all metrics: those of the service, and those of its process. */
export function openExposition(sources: Sources): Exposition {
  const own = new Registry()
  for (const metric of catalogueOf(sources)) own.registerMetric(asRegistered(metric))
  if (ofProcess === null) collectDefaultMetrics({ register: (ofProcess = new Registry()) })
  const process = ofProcess
  return {
    contentType: own.contentType,
    text: async () => `${await own.metrics()}\n${await process.metrics()}`,
  }
}

/** The metric as the registry reads it: by `get`, at each scrape. */
function asRegistered({ name, type, help, read }: Metric): Registered {
  const valuesOf = () =>
    read().map(({ labels, value, series = '' }) => ({ metricName: `${name}${series}`, labels, value }))
  return { name, help, get: async () => ({ name, help, type, aggregator: 'sum', values: valuesOf() }) } as never
}
