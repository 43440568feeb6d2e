// The plugins' page: states, places, latencies; switching and restarting.
import { act, badge, call, el, number, poll, span, toast, when } from './kit.js'
import { table } from './table.js'
import { settings } from './settings.js'

const tones = { active: 'good', degraded: 'warn', loading: 'warn', waiting: 'warn', quarantined: 'bad', failed: 'bad' }
const breakers = { closed: 'good', half_open: 'warn', open: 'bad' }

const short = (plugin) => plugin.name.replace('@buntime/plugin-', '')
const path = (plugin) => `/api/plugins/${encodeURIComponent(plugin.name)}`

const list = table('plugins-table', {
  key: (plugin) => plugin.name,
  empty: 'No plugin is configured.',
  columns: [
    { show: name, by: (one) => [one.ui, one.version, one.base, one.scopes] },
    { show: state, by: (one) => one.status },
    { show: (one) => (one.breaker ? badge(one.breaker, breakers[one.breaker]) : '–'), by: (one) => one.breaker },
    { show: (one) => number(one.stats.calls), class: 'number' },
    { show: (one) => number(one.stats.failures), class: 'number' },
    { show: (one) => (one.stats.calls ? span(one.stats.mean_us / 1000) : '–'), class: 'number' },
    { show: buttons, by: (one) => [one.enabled] },
  ],
})

function name(plugin) {
  const title = plugin.ui ? el('a', { href: `${plugin.base}/` }, short(plugin)) : short(plugin)
  return [title, el('small', {}, plugin.description)]
}

function state({ status }) {
  const since = el('small', {}, 'since ', when(status.since * 1000))
  const why = status.reason ? el('small', {}, status.reason) : null
  return [badge(status.status, tones[status.status]), why, since]
}

function buttons(plugin) {
  const title = short(plugin)
  const does = (label, work) => {
    const button = el('button', { type: 'button', onclick: () => act(button, work) }, label, el('span', { class: 'unseen' }, ` ${title}`))
    return button
  }
  const change = async (method, where, body) => {
    const { message } = await call(method, where, body)
    await refresh()
    return message
  }
  const on = plugin.enabled
  return el(
    'div',
    { class: 'buttons' },
    does(on ? 'Switch off' : 'Switch on', () => change('PUT', path(plugin), { enabled: !on })),
    on ? does('Restart', () => change('POST', `${path(plugin)}/restart`, {})) : null,
    does('Settings', () => settings(path(plugin), title, refresh)),
  )
}

const chain = table('chain-table', {
  key: (link) => `${link.plugin}:${link.set}`,
  empty: 'No hook runs.',
  columns: [
    { show: (link) => `${link.plugin}:${link.set}` },
    { show: (link) => String(link.priority), class: 'number' },
    { show: (link) => link.stages.join(', ') },
    { show: (link) => number(link.latency.reduce((sum, stage) => sum + stage.calls, 0)), class: 'number' },
    { show: stages, by: (link) => link.latency },
  ],
})

function stages(link) {
  const called = link.latency.filter((stage) => stage.calls > 0)
  return called.map((stage) => `${stage.stage} ${span(stage.mean_us / 1000)}`).join(', ') || '–'
}

/** The hook sets of the chain, with what is known of them. */
function links(plugins, order) {
  const sets = plugins.flatMap((plugin) => plugin.hooks.map((hook) => ({ ...hook, plugin: short(plugin) })))
  return order.map((name) => sets.find((set) => `${set.plugin}:${set.set}` === name)).filter(Boolean)
}

const refresh = poll(2000, async () => {
  const { plugins, chain: order } = await call('GET', '/api/plugins')
  list(plugins)
  chain(links(plugins, order))
})

addEventListener('unhandledrejection', (event) => toast(event.reason?.message ?? 'Something failed', 'bad'))
