// KeyVal's page: which namespace, and figures that are kept up to date; the rest is in modules of its own.
import { act, base, bytes, call, complain, el, number, poll, put, span, values } from './kit.js'
import { table } from './table.js'
import './tree.js'
import './watch.js'
import { load as loadIndexes } from './search.js'
import { load as loadQueues } from './queues.js'
import { api, choose, whenChosen } from './store.js'

const select = document.getElementById('place-namespace')
const quota = document.getElementById('quota-form')

const operations = table('operations-table', {
  key: (one) => one.operation,
  empty: 'Nobody has done anything yet.',
  columns: [
    { show: (one) => one.operation.replaceAll('_', ' ') },
    { show: (one) => number(one.count), class: 'number' },
    { show: (one) => number(one.errors), class: 'number' },
    { show: (one) => span(one.avgLatencyMs), class: 'number' },
  ],
})

async function loadNamespaces() {
  const { namespaces } = await call('GET', `${base}/admin/namespaces`)
  const names = namespaces.map((one) => one.name)
  if (!names.includes('default')) names.unshift('default')
  const there = [...select.options].map((option) => option.value)
  if (names.join() === there.join()) return
  const chosen = select.value
  select.replaceChildren(...names.map((name) => el('option', { value: name, selected: name === chosen }, name)))
}

select.addEventListener('change', () => choose(select.value))

/** A limit as a number; what is none is left for the server to refuse. */
const limit = (text) => (text === undefined ? null : Number.isNaN(Number(text)) ? text : Number(text))

quota.addEventListener('submit', (event) => {
  event.preventDefault()
  complain(quota, null)
  act(event.submitter ?? quota, async () => {
    const { name, maxEntries, maxBytes } = values(quota)
    if (!name) {
      complain(quota, { pointer: '/name', message: 'Say which namespace' })
      return null
    }
    const may = { maxEntries: limit(maxEntries), maxBytes: limit(maxBytes) }
    await call('PUT', `${base}/admin/namespaces/${encodeURIComponent(name)}`, may)
    await loadNamespaces()
    return `${name} is set`
  })
})

const refresh = poll(2000, async () => {
  await loadNamespaces()
  const { operations: done, queue, storage } = await call('GET', `${api()}/metrics`)
  put('stat-entries', number(storage.entries))
  put('stat-bytes', bytes(storage.sizeBytes))
  put('stat-pending', number(queue.pending))
  put('stat-processing', number(queue.processing))
  put('stat-dead', number(queue.dlq))
  const rows = Object.entries(done.operations).map(([operation, one]) => ({ operation, ...one }))
  operations(rows.sort((a, b) => b.count - a.count))
  await loadQueues()
  await loadIndexes()
})
whenChosen(refresh)
