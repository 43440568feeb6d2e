// Changes below a prefix, as the commits push them.
import { el, listen, put, values, when } from './kit.js'
import { table } from './table.js'
import { api, keyText, short, whenChosen } from './store.js'

/** How many changes are kept. */
const MOST = 100

const form = document.getElementById('watch-form')
const stop = document.getElementById('watch-stop')
let end = null
let changes = []
let count = 0

const rows = table('watch-table', {
  key: (change) => change.number,
  empty: 'Nothing has changed yet.',
  columns: [
    { show: (change) => keyText(change.key) },
    { show: (change) => (change.versionstamp ? el('code', {}, short(change.value)) : el('span', { class: 'quiet' }, 'gone')), by: (change) => change.number },
    { show: (change) => change.versionstamp ?? '–' },
    { show: (change) => when(change.seen), by: (change) => change.seen },
  ],
})

function take(news) {
  for (const change of news) changes.unshift({ ...change, number: ++count, seen: Date.now() })
  changes = changes.slice(0, MOST)
  rows(changes)
}

function leave(said) {
  end?.()
  end = null
  stop.hidden = true
  put('watch-said', said)
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  leave('')
  const prefix = values(form).prefix ?? ''
  changes = []
  rows(changes)
  end = listen(`${api()}/watch/prefix?${new URLSearchParams({ prefix, initial: 'false' })}`, take, { change: take })
  stop.hidden = false
  put('watch-said', `Watching ${prefix || 'all keys'}.`)
})
stop.addEventListener('click', () => leave('Nothing is watched.'))
whenChosen(() => leave('Nothing is watched.'))
rows([])
