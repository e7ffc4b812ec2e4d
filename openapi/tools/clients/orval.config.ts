export default {
  latchkey: {
    input: '../../openapi.json',
    output: { target: './made/orval.ts', client: 'fetch', baseUrl: process.env['LATCHKEY'] },
  },
}
