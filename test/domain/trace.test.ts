import t from 'tap'
import { readTraceparent } from '../../src/domain/trace.ts'

// The header traceparent, W3C Trace Context section 3.2.

const [TRACE, SPAN] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']

const RIGHT: Record<string, boolean> = {
  [`00-${TRACE}-${SPAN}-01`]: true,
  [`00-${TRACE}-${SPAN}-00`]: false,
  [`00-${TRACE}-${SPAN}-03`]: true,
  [`00-${TRACE}-${SPAN}-fe`]: false,
  [`01-${TRACE}-${SPAN}-01`]: true,
  [`cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`]: true,
}
for (const [header, isSampled] of Object.entries(RIGHT)) {
  t.test(`${header} names a span`, async (t) => {
    t.strictSame(readTraceparent(header), { traceId: TRACE, spanId: SPAN, isSampled })
  })
}

const WRONG = [
  '',
  '00',
  `00-${TRACE}-${SPAN}`,
  `00-${TRACE}-${SPAN}-1`,
  `00-${TRACE}-${SPAN}-001`,
  `00-${TRACE}-${SPAN}-01-more`,
  `00-${TRACE}-${SPAN}-01-`,
  `01-${TRACE}-${SPAN}-01.more`,
  `ff-${TRACE}-${SPAN}-01`,
  `0-${TRACE}-${SPAN}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${TRACE}-${SPAN.toUpperCase()}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE.slice(1)}-${SPAN}-01`,
  `00-${TRACE}a-${SPAN}-01`,
  `00-${TRACE.slice(1)}g-${SPAN}-01`,
  `00_${TRACE}_${SPAN}_01`,
  ` 00-${TRACE}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}-01 `,
  `00-${TRACE}-${SPAN}-01\n`,
  `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
]
for (const header of WRONG) {
  t.test(`${JSON.stringify(header)} is ignored`, async (t) => {
    t.equal(readTraceparent(header), null)
  })
}
