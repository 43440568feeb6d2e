// The metrics' page: everything comes from one stream of snapshots; what is a rate is made of two of them.
import { badge, base, bytes, el, listen, number, put, span } from './kit.js'
import { chart } from './chart.js'
import { table } from './table.js'
import './analytics.js'

const percent = (value) => `${number(value)} %`
const charts = {
  rate: chart('chart-rate', { lines: ['all', '4xx', '5xx'], show: number }),
  latency: chart('chart-latency', { lines: ['half', '95 in 100', '99 in 100'], show: span }),
  errors: chart('chart-errors', { lines: ['4xx', '5xx'], show: percent }),
  process: chart('chart-process', { lines: ['CPU'], show: percent }),
}

const of = (counts, kind) => counts.byStatus[kind] ?? 0

const routes = table('routes-table', {
  key: (route) => route.route,
  empty: 'No request has ended yet.',
  columns: [
    { show: (route) => route.route },
    { show: (route) => number(route.total), class: 'number' },
    { show: (route) => number(of(route, '4xx')), class: 'number' },
    { show: (route) => number(of(route, '5xx')), class: 'number' },
    { show: (route) => span(route.latencyMs.p50), class: 'number' },
    { show: (route) => span(route.latencyMs.p95), class: 'number' },
    { show: (route) => span(route.latencyMs.p99), class: 'number' },
    { show: (route) => bytes(route.responseBytes), class: 'number' },
  ],
})

const upstreams = table('upstreams-table', {
  key: (upstream) => upstream.name,
  empty: 'There is no upstream.',
  columns: [
    { show: (upstream) => upstream.name },
    { show: (upstream) => number(upstream.requests), class: 'number' },
    { show: (upstream) => number(upstream.retries), class: 'number' },
    { show: (upstream) => number(upstream.queued), class: 'number' },
    { show: targets, by: (upstream) => upstream.targets.map((target) => [target.up, target.state]) },
  ],
})

function targets(upstream) {
  const one = (target) => badge(target.state, target.up ? 'good' : 'bad')
  return el('div', { class: 'buttons' }, ...upstream.targets.map(one))
}

/** What happened between two snapshots, each second of it. */
function between(last, now) {
  const seconds = (Date.parse(now.timestamp) - Date.parse(last.timestamp)) / 1000
  if (!(seconds > 0)) return null
  const rate = (read) => Math.max(0, read(now) - read(last)) / seconds
  const [all, refused, failed] = [
    rate((one) => one.requests.total),
    rate((one) => of(one.requests, '4xx')),
    rate((one) => of(one.requests, '5xx')),
  ]
  const cpu = now.process.cpuSeconds === null ? null : 100 * rate((one) => one.process.cpuSeconds)
  return { all, refused, failed, cpu }
}

let last = null
listen(`${base}/api/sse`, (now) => {
  const { requests, process } = now
  const rates = last && between(last, now)
  if (rates) draw(Date.parse(now.timestamp), rates, requests.recentLatencyMs)
  last = now
  put('stat-total', number(requests.total))
  put('stat-errors', number(of(requests, '5xx')))
  put('stat-flight', number(requests.inFlight))
  put('stat-memory', bytes(process.residentBytes))
  put('stat-uptime', span(process.uptimeMs))
  routes([...now.routes].sort((a, b) => b.total - a.total))
  upstreams(now.upstreams)
})

function draw(time, { all, refused, failed, cpu }, latency) {
  const share = (value) => (all > 0 ? (100 * value) / all : null)
  charts.rate(time, [all, refused, failed])
  charts.latency(time, [latency?.p50 ?? null, latency?.p95 ?? null, latency?.p99 ?? null])
  charts.errors(time, [share(refused), share(failed)])
  charts.process(time, [cpu])
  put('stat-rate', number(all))
  put('stat-p95', span(latency?.p95))
  put('stat-cpu', cpu === null ? '–' : percent(cpu))
}
