/** On SIGTERM no new connections; what has begun is finished, and the process ends. */
export function leaveInPeace(server) {
  process.once('SIGTERM', () => {
    server.close(() => process.exit())
    setInterval(() => server.closeIdleConnections(), 50) // nginx keeps its connections
    setTimeout(() => process.exit(), 5000).unref()
  })
}
