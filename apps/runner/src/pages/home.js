// The overview: figures, what is wrong, where requests go. What needs the admin token is asked only of who has it.
import { badge, call, el, number, poll, put, session } from './kit.js'
import { table } from './table.js'
import { explainer } from './explain.js'

const tones = { healthy: 'good', degraded: 'warn', unhealthy: 'bad' }

const routes = table('routes-table', {
  key: (route) => `${route.type} ${route.label} ${route.host ?? ''} ${route.path ?? route.pattern ?? ''} ${route.methods ?? ''} ${JSON.stringify(route.headers ?? {})}`,
  empty: 'No rule and no service is configured: only what this server answers itself.',
  columns: [
    { show: request, by: (route) => route },
    { show: target, by: (route) => [route.label, route.target] },
    { show: (route) => el('small', {}, [route.chain].flat().join(' → ') || 'nothing'), by: (route) => route.chain },
  ],
})

function request(route) {
  const where = route.pattern ? `matches ${route.pattern}` : `${route.host ?? ''}${route.path ?? ''}` || 'everything'
  const only = [...(route.methods ?? []), ...Object.entries(route.headers ?? {}).map((pair) => pair.join(': '))]
  return [el('code', {}, where), only.length ? el('small', {}, only.join(', ')) : null]
}

function target(route) {
  if (route.type === 'service') return [`service ${route.service}`, el('small', {}, `route ${route.route}`)]
  if (route.type === 'plugin') return `plugin ${route.plugin}`
  return [route.service ? `service ${route.service}` : (route.target ?? route.label), el('small', {}, route.label)]
}

/** The answer, or null where the plugin that has it does not run or does not say. */
async function ask(plugins, name, path) {
  const plugin = plugins.find((one) => one.name === `@buntime/plugin-${name}`)
  if (!plugin || !['active', 'degraded'].includes(plugin.status.status)) return null
  return call('GET', plugin.base + path).catch(() => null)
}

function showWrong(plugins, checks) {
  const states = plugins
    .filter((one) => one.enabled && one.status.status !== 'active')
    .map((one) => ({ name: one.name, status: 'degraded', message: `${one.status.status}: ${one.status.reason ?? 'no reason is given'}` }))
  const found = checks ? checks.filter((check) => check.status !== 'healthy') : states
  const lines = found.map((one) => el('li', {}, badge(one.status, tones[one.status]), ` ${one.name}: ${one.message ?? 'it says nothing more'}`))
  const fine = el('li', {}, badge('ok', 'good'), checks ? ' Every check is healthy.' : ' Every plugin that is switched on runs.')
  const list = document.getElementById('wrong-list')
  const next = lines.length ? lines : [fine]
  // Only what is new is read out and repainted.
  if (list.textContent !== next.map((line) => line.textContent).join('')) list.replaceChildren(...next)
}

let last = null
function showRate(stats) {
  const now = Date.parse(stats.timestamp)
  if (last && now > last.now) put('stat-rate', number(((stats.requests.total - last.total) * 1000) / (now - last.now)))
  last = { now, total: stats.requests.total }
}

async function refresh() {
  const ready = await fetch('/.well-known/buntime').then((answer) => answer.ok)
  if (!ready) throw new Error('the server does not answer.')
  const { plugins } = await call('GET', '/api/plugins')
  const [health, stats, upstreams, limits] = await Promise.all([
    ask(plugins, 'health', '/api/health'),
    ask(plugins, 'metrics', '/api/stats'),
    ask(plugins, 'proxy', '/api/upstreams'),
    ask(plugins, 'gateway', '/api/rate-limit/metrics'),
  ])
  const enabled = plugins.filter((one) => one.enabled)
  const running = enabled.filter((one) => one.status.status === 'active')
  put('stat-plugins', `${running.length} of ${enabled.length}`)
  put('stat-ready', health ? (health.status === 'unhealthy' ? 'no' : 'yes') : running.length === enabled.length ? 'yes' : 'see below')
  if (stats) showRate(stats)
  if (upstreams) {
    const targets = upstreams.flatMap((upstream) => upstream.targets)
    const up = targets.filter((one) => ['healthy', 'half_open', 'forced_closed'].includes(one.state))
    put('stat-targets', `${up.length} of ${targets.length}`)
  }
  if (limits) put('stat-limited', number(limits.totals.blockedRequests))
  showWrong(plugins, health?.checks)
  const known = await call('GET', '/api/routes')
  const outside = known.routes.filter((route) => route.type !== 'plugin')
  const own = known.routes.filter((route) => route.type === 'plugin')
  routes([...outside, ...own.map((route) => ({ ...route, chain: Object.values(route.chains).at(0) }))])
}

const who = await call('GET', session).catch(() => ({ administers: false }))
if (who.administers) {
  document.getElementById('routes-part').hidden = false
  explainer()
  poll(2000, refresh)
} else {
  document.getElementById('more').hidden = false
}
