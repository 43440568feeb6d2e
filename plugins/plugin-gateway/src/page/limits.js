// Limits, who is over one, and what is left to whom; and forgetting what somebody has used.
import { act, badge, base, call, el, number, poll, scope, span, values, when } from './kit.js'
import { table } from './table.js'

const api = `${base}/api/rate-limit`
let names = []

/** A button for a row, named for those who hear it by itself. */
function button(label, of, work) {
  const made = el('button', { type: 'button', onclick: () => act(made, work) }, label, el('span', { class: 'unseen' }, ` ${of}`))
  return el('div', { class: 'buttons' }, made)
}

async function reset(key, limit) {
  const { deleted } = await call('DELETE', `${api}/buckets/${encodeURIComponent(key)}?name=${encodeURIComponent(limit)}`)
  await refresh()
  return deleted ? `${key} begins anew` : `${key} had used nothing`
}

const every = (seconds) => span(seconds * 1000)

const limitsTable = table('limits-table', {
  key: (limit) => `${scope(limit.scope)} ${limit.name}`,
  empty: 'No limit is configured.',
  columns: [
    { show: (limit) => [limit.name, el('small', {}, scope(limit.scope))], by: (limit) => [limit.name, limit.scope] },
    { show: allows, by: (limit) => [limit.requests, limit.windowSeconds, limit.algorithm, limit.mode, limit.store] },
    { show: (limit) => [limit.keyBy].flat().join(' and ') },
    { show: (limit) => number(limit.figures.allowed), class: 'number' },
    { show: (limit) => number(limit.figures.refused), class: 'number' },
    { show: (limit) => number(limit.figures.observed), class: 'number' },
    { show: (limit) => number(limit.activeBuckets), class: 'number' },
    { show: (limit) => button('Reset all', limit.name, () => clear(limit.name)), by: (limit) => limit.name },
  ],
})

function allows(limit) {
  const how = [limit.algorithm, limit.mode, `in ${limit.store}`].join(', ').replaceAll('_', ' ')
  return [`${number(limit.requests)} in ${limit.period ? `a ${limit.period}` : every(limit.windowSeconds)}`, el('small', {}, how)]
}

async function clear(name) {
  if (!confirm(`Forget what everybody has used of ${name}?`)) return null
  const { cleared } = await call('POST', `${api}/clear?name=${encodeURIComponent(name)}`)
  await refresh()
  return `${number(cleared)} keys of ${name} begin anew`
}

const limited = table('limited-table', {
  key: (row) => `${row.limit} ${scope(row.scope)} ${row.key}`,
  empty: 'Nobody was over a limit.',
  columns: [
    { show: (row) => [row.key, el('small', {}, who(row))], by: (row) => [row.key, who(row)] },
    { show: (row) => row.limit },
    { show: (row) => [number(row.count), row.observed ? el('small', {}, `${number(row.observed)} only observed`) : null], by: (row) => [row.count, row.observed], class: 'number' },
    { show: (row) => when(row.last), by: (row) => row.last },
    { show: (row) => el('code', {}, `${row.method} ${row.path}`), by: (row) => [row.method, row.path] },
    { show: (row) => button('Reset', row.key, () => reset(row.key, row.limit)), by: (row) => [row.key, row.limit] },
  ],
})

function who(row) {
  return row.consumer ? `consumer ${row.consumer}, ${row.ip}` : row.ip
}

/** One row for each key of each limit; the newest request of it is what is shown. */
function gather(refusals) {
  const rows = new Map()
  for (const one of refusals) {
    const name = JSON.stringify([one.limit, one.scope, one.key])
    const row = rows.get(name) ?? { ...one, last: one.timestamp, count: 0, observed: 0 }
    row.count += 1
    row.observed += one.rateLimited ? 0 : 1
    rows.set(name, row)
  }
  return [...rows.values()].slice(0, 50)
}

const buckets = table('buckets-table', {
  key: (bucket) => `${bucket.limit} ${scope(bucket.scope)} ${bucket.key}`,
  empty: 'No key is counted.',
  columns: [
    { show: (bucket) => bucket.key },
    { show: (bucket) => bucket.limit },
    { show: (bucket) => number(bucket.tokens), class: 'number' },
    { show: (bucket) => badge(bucket.limited ? 'limited' : 'free', bucket.limited ? 'bad' : 'good'), by: (bucket) => bucket.limited },
    { show: (bucket) => every(bucket.resetAfter), class: 'number' },
    { show: (bucket) => button('Reset', bucket.key, () => reset(bucket.key, bucket.limit)), by: (bucket) => [bucket.key, bucket.limit] },
  ],
})

const form = document.getElementById('buckets-form')
form.addEventListener('submit', (event) => {
  event.preventDefault()
  refresh()
})

/** Most rows that are looked for, and that are shown: those who are limited first. */
const [LOOKED_FOR, SHOWN] = [1000, 100]

async function loadBuckets() {
  const asked = values(form)
  if (names.length === 0 || (asked.name && !names.includes(asked.name))) return buckets([])
  const found = await call('GET', `${api}/buckets?${new URLSearchParams({ ...asked, limit: LOOKED_FOR })}`)
  found.sort((a, b) => Number(b.limited) - Number(a.limited) || a.tokens - b.tokens || a.key.localeCompare(b.key))
  return buckets(found.slice(0, SHOWN))
}

/** Shows the limits as the stream has them. */
export function showLimits(limits) {
  names = limits.map((limit) => limit.name)
  limitsTable(limits)
}

const refresh = poll(2000, async () => {
  if (names.length === 0) showLimits((await call('GET', `${api}/metrics`)).limits)
  limited(gather((await call('GET', `${base}/api/logs?limit=500`)).filter((one) => one.limit)))
  await loadBuckets()
})
