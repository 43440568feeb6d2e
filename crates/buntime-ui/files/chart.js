// Line charts of what was seen lately, or of a whole time, drawn as SVG. Colours come from classes, so that themes hold for them, too;
// lines differ by dashes as well.
import { el, svg } from './kit.js'

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [640, 180, 52, 20, 8]
let made = 0

/**
 * A chart in the element of that id. `lines`: what each is called. `show(value)` writes a number of the axis. Returns
 * a function that takes one more point, `(milliseconds since 1970, a number or null for each line)`, and draws. Its
 * `whole(points, ends, told)` draws all of a time at once: points as `{ time, values }`, what stands at both ends of
 * the axis, and what is told of each line.
 */
export function chart(id, { lines, show, keep = 120 }) {
  const place = document.getElementById(id)
  const name = `chart-${(made += 1)}`
  const title = svg('title', { id: name })
  // Until there are figures.
  title.textContent = lines.map((line) => `${line}: nothing yet`).join(', ')
  const drawing = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-labelledby': name }, title)
  const legend = el('ul', { class: 'legend' })
  const said = lines.map((line, at) => {
    const value = el('strong', {}, '–')
    legend.append(el('li', { class: `line-${at}` }, el('span', { class: 'key' }), `${line} `, value))
    return value
  })
  place.replaceChildren(drawing, legend)
  const points = []
  const tell = (values) => {
    values.forEach((value, at) => {
      said[at].textContent = value === null ? '–' : show(value)
    })
    title.textContent = lines.map((line, at) => `${line}: ${values[at] === null ? 'nothing' : show(values[at])}`).join(', ')
  }
  const take = (time, values) => {
    points.push({ time, values })
    while (points.length > keep) points.shift()
    tell(values)
    const ago = Math.round((time - points[0].time) / 1000)
    draw(drawing, title, points, lines.length, show, [ago > 0 ? `${ago} s ago` : '', 'now'])
  }
  take.whole = (all, ends, told) => {
    tell(told)
    if (all.length > 0) draw(drawing, title, all, lines.length, show, ends)
  }
  return take
}

function draw(drawing, title, points, lines, show, ends) {
  const top = ceiling(Math.max(0, ...points.flatMap(({ values }) => values.filter((value) => value !== null))))
  const [from, to] = [points[0].time, points.at(-1).time]
  const x = (time) => LEFT + ((WIDTH - LEFT - 4) * (time - from)) / Math.max(1, to - from)
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)
  const parts = [title]
  for (const part of [0, 0.5, 1]) {
    const at = y(top * part)
    parts.push(svg('line', { class: 'grid', x1: LEFT, x2: WIDTH, y1: at, y2: at }))
    parts.push(svg('text', { class: 'axis', x: LEFT - 6, y: at + 4, 'text-anchor': 'end' }, show(top * part)))
  }
  parts.push(svg('text', { class: 'axis', x: LEFT, y: HEIGHT - 4 }, ends[0]))
  parts.push(svg('text', { class: 'axis', x: WIDTH, y: HEIGHT - 4, 'text-anchor': 'end' }, ends[1]))
  for (let line = 0; line < lines; line += 1) {
    const path = points
      .map(({ time, values }, at) => {
        if (values[line] === null) return ''
        const begins = at === 0 || points[at - 1].values[line] === null
        // One that stands alone is seen as a dash.
        const alone = begins && (points[at + 1]?.values[line] ?? null) === null
        return `${begins ? 'M' : 'L'}${x(time).toFixed(1)} ${y(values[line]).toFixed(1)}${alone ? 'h3' : ''}`
      })
      .join('')
    parts.push(svg('path', { class: `line line-${line}`, d: path || 'M0 0' }))
  }
  drawing.replaceChildren(...parts)
}

/** The next round number: 1, 2 or 5 and zeros. */
function ceiling(value) {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 1.02) ?? 10 * power
}
