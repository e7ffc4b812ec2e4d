import { encode } from './qr/index.mjs'

const SVG = 'http://www.w3.org/2000/svg'
const QUIET = 4 // modules of margin: ISO/IEC 18004

/** The text as a QR code: black on white in every theme, or cameras do not read it. */
export function drawQr(text) {
  const { data, size } = encode(text, { border: QUIET })
  const dark = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])))
  const picture = draw('svg', {
    viewBox: `0 0 ${size} ${size}`,
    'shape-rendering': 'crispEdges',
    'aria-hidden': 'true',
  })
  picture.append(
    draw('rect', { width: size, height: size, fill: '#fff' }),
    draw('path', { d: dark.join(''), fill: '#000' }),
  )
  return picture
}

function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  return element
}
