// The proxy's page: upstreams, kept up to date, and what an operator says of their targets.
import { act, badge, base, call, el, number, poll, put, span, when } from './kit.js'
import { table } from './table.js'
import { loadRules } from './rules.js'

const tones = {
  healthy: 'good', forced_closed: 'good', half_open: 'warn', draining: 'warn', weightless: 'plain',
  unhealthy: 'bad', ejected: 'bad', open: 'bad', forced_open: 'warn',
}
const up = ['healthy', 'half_open', 'forced_closed']
const sick = ['unhealthy', 'ejected', 'open']
const words = [['auto', 'Automatic'], ['drain', 'Drain'], ['force_open', 'Take out'], ['force_closed', 'Hold in']]

const targets = table('targets-table', {
  key: (row) => `${row.upstream.name} ${row.at}`,
  empty: 'No service and no rule has an upstream.',
  columns: [
    { show: title, by: ({ upstream, target }) => [upstream.name, upstream.algorithm, target.url, target.weight, target.priority] },
    { show: state, by: ({ target }) => [target.state, target.last_error, target.share] },
    { show: ({ target }) => number(target.in_flight), class: 'number' },
    { show: ({ target }) => number(target.requests), class: 'number' },
    { show: ({ target }) => number(target.failures), class: 'number' },
    { show: ({ target }) => span(target.latency_ms), class: 'number' },
    { show: buttons, by: ({ target }) => target.override },
  ],
})

function title({ upstream, target }) {
  const said = `${upstream.of} ${upstream.name.replace(/^proxy:/, '')}, ${upstream.algorithm.replaceAll('_', ' ')}, weight ${target.weight}`
  return [el('code', {}, target.url), el('small', {}, target.priority ? `${said}, tier ${target.priority}` : said)]
}

function state({ target }) {
  const error = target.last_error
  return [
    badge(target.state, tones[target.state]),
    target.share < 100 ? el('small', {}, `starting slowly: ${target.share} %`) : null,
    error ? el('small', {}, when(error.at), ` ${error.message}`) : null,
  ]
}

function buttons({ upstream, target, at }) {
  const path = `${base}/api/upstreams/${encodeURIComponent(upstream.name)}/${at}`
  const one = ([word, label]) => {
    const say = async () => {
      await call('PUT', path, { override: word })
      await refresh()
      return `${target.url}: ${label.toLowerCase()}`
    }
    const button = el(
      'button',
      { type: 'button', 'aria-pressed': String(target.override === word), onclick: () => act(button, say) },
      label,
      el('span', { class: 'unseen' }, ` ${target.url}`),
    )
    return button
  }
  return el('div', { class: 'buttons' }, ...words.map(one))
}

function figures(upstreams) {
  const all = upstreams.flatMap((upstream) => upstream.targets)
  const sum = (list, of) => list.reduce((total, one) => total + of(one), 0)
  put('stat-up', `${all.filter((one) => up.includes(one.state)).length} of ${all.length}`)
  put('stat-sick', number(all.filter((one) => sick.includes(one.state)).length))
  put('stat-flight', number(sum(all, (one) => one.in_flight)))
  put('stat-queued', number(sum(upstreams, (one) => one.queued)))
  put('stat-retries', number(sum(upstreams, (one) => one.retries)))
}

const refresh = poll(1000, async () => {
  const upstreams = await call('GET', `${base}/api/upstreams`)
  figures(upstreams)
  targets(upstreams.flatMap((upstream) => upstream.targets.map((target, at) => ({ upstream, target, at }))))
  await loadRules()
})
