// What all contenders share: where they listen, what they answer with, and the readiness probe.

const { HOST, PORT, HEADERS = '{}' } = process.env

/** The headers of the service's own answer to GET /v1/verify. */
export const headers = JSON.parse(HEADERS)

/** Listens where the benchmark asks, with a probe beside the routes. */
export async function serve(app) {
  app.get('/livez', async () => 'alive')
  await app.listen({ host: HOST, port: Number(PORT) })
}
