// The history: what passed lately, from the samples that the plugin keeps.
import { base, call, number, poll, put, span, when } from './kit.js'
import { chart } from './chart.js'

/** Points that are drawn at most: more of them cannot be told apart. */
const DRAWN = 240
const percent = (value) => `${number(value)} %`
const charts = {
  rate: chart('chart-rate', { lines: ['let through', 'refused'], show: number }),
  time: chart('chart-time', { lines: ['on average'], show: span }),
  errors: chart('chart-errors', { lines: ['4xx', '5xx'], show: percent }),
  hits: chart('chart-hits', { lines: ['cache hits'], show: percent }),
}
const ranges = document.getElementById('history-ranges')

const add = (of) => (sum, one) => sum + of(one.interval)
const total = (samples, of) => samples.reduce(add(of), 0)
const share = (part, whole) => (whole > 0 ? (100 * part) / whole : null)
const time = (sample) => Date.parse(sample.timestamp)

/** Samples that follow each other, as one point. `before`: when the sample before them ended. */
function together(samples, before) {
  const seconds = Math.max(0.001, (time(samples.at(-1)) - before) / 1000)
  const requests = total(samples, (of) => of.requests)
  const [hits, misses] = [total(samples, (of) => of.cacheHits), total(samples, (of) => of.cacheMisses)]
  const [refused, failed] = ['4xx', '5xx'].map((kind) => total(samples, (of) => of.byStatus[kind] ?? 0))
  const spentTime = total(samples, (of) => (of.avgDuration ?? 0) * of.requests)
  return {
    time: time(samples.at(-1)),
    rate: [total(samples, (of) => of.allowed) / seconds, total(samples, (of) => of.blocked) / seconds],
    spent: [requests > 0 ? spentTime / requests : null],
    errors: [share(refused, requests), share(failed, requests)],
    hits: [share(hits, hits + misses)],
  }
}

function points(samples) {
  const each = Math.max(1, Math.ceil(samples.length / DRAWN))
  const made = []
  // The first one only says when the second began.
  for (let at = 1; at < samples.length; at += each) {
    made.push(together(samples.slice(at, at + each), time(samples[at - 1])))
  }
  return made
}

function draw(samples) {
  const made = points(samples)
  if (made.length === 0) return put('history-said', 'No sample was taken yet, or the history is off.')
  const [all, from] = [together(samples.slice(1), time(samples[0])), time(samples[0])]
  const ends = [`${span(time(samples.at(-1)) - from)} ago`, 'now']
  for (const [name, key] of [['rate', 'rate'], ['time', 'spent'], ['errors', 'errors'], ['hits', 'hits']]) {
    charts[name].whole(made.map((point) => ({ time: point.time, values: point[key] })), ends, all[key])
  }
  const place = document.getElementById('history-said')
  place.replaceChildren(`${number(samples.length)} samples since `, when(samples[0].timestamp), '; numbers beside the lines are of all of them.')
}

const refresh = poll(2000, async () => {
  const asked = ranges.querySelector('[aria-pressed=true]').value
  draw(await call('GET', `${base}/api/metrics/history?limit=${asked}`))
})

ranges.addEventListener('click', (event) => {
  const pressed = event.target.closest('button')
  if (!pressed) return
  for (const button of ranges.children) button.setAttribute('aria-pressed', String(button === pressed))
  refresh()
})
