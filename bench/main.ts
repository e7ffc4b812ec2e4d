// Either comparison or growth: each measures when it is loaded.

await(process.argv.includes('--growth') ? import('./growth.ts') : import('./bench.ts'))
