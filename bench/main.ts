// The comparison, growth, metrics, services, or factors: each measures when it is loaded.

const [wanted] = process.argv.slice(2)

if (wanted === '--growth') await import('./growth.ts')
else if (wanted === '--metrics') await import('./metrics.ts')
else if (wanted === '--services') await import('./services.ts')
else if (wanted === '--factors') await import('./factors.ts')
else await import('./bench.ts')
