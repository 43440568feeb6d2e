// Queues, and the letters that nobody could deliver: put back or deleted.
import { act, call, el, number, when } from './kit.js'
import { table } from './table.js'
import { api, button, short } from './store.js'

const queuesTable = table('queues-table', {
  key: (queue) => queue.queue,
  empty: 'There is no queue with a message.',
  columns: [
    { show: (queue) => queue.queue },
    { show: (queue) => number(queue.pending), class: 'number' },
    { show: (queue) => number(queue.processing), class: 'number' },
    { show: (queue) => number(queue.dlq), class: 'number' },
  ],
})

const dead = table('dead-table', {
  key: (letter) => letter.id,
  empty: 'There are no dead letters.',
  columns: [
    { show: (letter) => el('code', {}, short(letter.value)), by: (letter) => letter.id },
    { show: (letter) => letter.queue },
    { show: (letter) => letter.errorMessage },
    { show: (letter) => number(letter.attempts), class: 'number' },
    { show: (letter) => when(letter.failedAt), by: (letter) => letter.failedAt },
    { show: actions, by: (letter) => letter.id },
  ],
})

function actions(letter) {
  const of = short(letter.value, 30)
  const back = button('Put back', of, () => act(back, () => requeue(letter.id)))
  const gone = button('Delete', of, () => act(gone, () => remove(letter.id)))
  return el('div', { class: 'buttons' }, back, gone)
}

async function requeue(id) {
  await call('POST', `${api()}/queue/dlq/${encodeURIComponent(id)}/requeue`)
  await load()
  return 'It is in its queue again'
}

async function remove(id) {
  await call('DELETE', `${api()}/queue/dlq/${encodeURIComponent(id)}`)
  await load()
  return 'It is deleted'
}

const purge = document.getElementById('dead-purge')
purge.addEventListener('click', () =>
  act(purge, async () => {
    if (!confirm('Delete all dead letters of this namespace?')) return null
    const { deletedCount } = await call('DELETE', `${api()}/queue/dlq`)
    await load()
    return `${number(deletedCount)} dead letters are deleted`
  }),
)

/** Loads both. */
export async function load() {
  const { queues } = await call('GET', `${api()}/queue/stats`)
  queuesTable(queues)
  dead(await call('GET', `${api()}/queue/dlq?limit=50`))
}
