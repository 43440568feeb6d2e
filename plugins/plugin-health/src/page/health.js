// The health's page: the report, again and again.
import { badge, base, bytes, call, el, number, poll, put, span, when } from './kit.js'
import { table } from './table.js'

const tones = { healthy: 'good', degraded: 'warn', unhealthy: 'bad' }
const order = ['unhealthy', 'degraded', 'healthy']

const checks = table('checks-table', {
  key: (check) => check.name,
  empty: 'Nothing is checked.',
  columns: [
    { show: (check) => check.name },
    { show: (check) => badge(check.status, tones[check.status]), by: (check) => check.status },
    { show: says, by: (check) => [check.message, check.details] },
    { show: (check) => (check.latency === undefined ? '–' : `${number(check.latency)} ms`), class: 'number' },
  ],
})

function says({ message, details }) {
  const figures = Object.entries(details ?? {}).map(([name, value]) => {
    const shown = name.endsWith('Bytes') ? bytes(value) : typeof value === 'object' ? JSON.stringify(value) : String(value)
    return `${name.replace(/Bytes$/, '')} ${shown}`
  })
  return [message ?? null, figures.length ? el('small', {}, figures.join(', ')) : null, message || figures.length ? null : '–']
}

poll(2000, async () => {
  const report = await call('GET', `${base}/api/health`)
  const sorted = [...report.checks].sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status))
  checks(sorted)
  put('stat-status', report.status)
  put('stat-sick', number(report.checks.filter((check) => check.status !== 'healthy').length))
  put('stat-checks', number(report.checks.length))
  put('stat-uptime', span(report.uptime))
  const at = when(report.timestamp)
  at.id = 'checked-at'
  document.getElementById('checked-at').replaceWith(at)
})
