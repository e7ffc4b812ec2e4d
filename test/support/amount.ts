/** How often a test does what chance or order decides: as often as it takes, in `npm run test:quick` a tenth of that. */
export const often = (times: number): number => (process.env['QUICK'] === '1' ? Math.ceil(times / 10) : times)
