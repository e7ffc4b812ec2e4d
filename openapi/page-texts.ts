// What the documents say of routes that have no schema.

/** A route that answers no JSON of ours; its tag is Docs unless it says another. */
interface Page {
  readonly operationId: string
  readonly summary: string
  readonly description: string
  readonly type: string
  readonly tag?: string
  readonly headers?: readonly string[]
}

const asset = { description: 'A part of the page at /docs.', headers: ['Cache-Control'] }

export const PAGES: Record<string, Page> = {
  '/openapi.json': {
    operationId: 'readOpenapi',
    summary: 'The contract',
    description: 'This document, OpenAPI 3.1.',
    type: 'application/json',
    headers: ['Cache-Control'],
  },
  '/metrics': {
    operationId: 'readMetrics',
    summary: 'What this process counts of itself',
    description: 'In the text format of Prometheus. No key is asked for.',
    type: 'text/plain',
    tag: 'Health',
  },
  '/docs': {
    operationId: 'readDocs',
    summary: 'The page',
    description: 'Shows this document and lets you try it.',
    type: 'text/html',
  },
  '/docs/start.js': {
    ...asset,
    operationId: 'readDocsStart',
    summary: 'What starts the page',
    type: 'text/javascript',
  },
  '/docs/swagger-ui.css': {
    ...asset,
    operationId: 'readDocsStyle',
    summary: 'The style of the page',
    type: 'text/css',
  },
  '/docs/swagger-ui-bundle.js': {
    ...asset,
    operationId: 'readDocsScript',
    summary: 'The script of the page',
    type: 'text/javascript',
  },
}
