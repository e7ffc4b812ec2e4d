// Loaded into each instance of the demo: it must not outlive the demo, however that ends.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))
if (!process.connected) process.kill(process.pid, 'SIGKILL') // that has been, before this was loaded
