// The log, live: the stream begins with the last lines that pass the filters and goes on with what comes.
import { act, badge, base, call, complain, el, listen, number, put, values } from './kit.js'
import { Window } from './window.js'

/** Lines the stream begins with. */
const BEFORE = 10_000
const tones = { warn: 'warn', error: 'bad' }
const form = document.getElementById('filter-form')
const told = document.getElementById('filter-told')
const follow = document.getElementById('follow')
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })

const from = (entry) => (entry.plugin ?? entry.source).replace('@buntime/plugin-', '')

const lines = new Window(document.getElementById('pane'), {
  cells(entry) {
    const date = new Date(entry.timestamp)
    return [
      el('time', { datetime: entry.timestamp, title: date.toLocaleString() }, `${clock.format(date)}.${entry.timestamp.slice(20, 23)}`),
      el('span', {}, badge(entry.level, tones[entry.level])),
      el('span', { title: from(entry) }, from(entry)),
      el('span', { title: entry.message }, entry.message),
    ]
  },
  chosen(entry) {
    const whole = document.getElementById('entry-whole')
    whole.textContent = JSON.stringify(entry, null, 2)
    whole.hidden = false
    document.getElementById('entry-none').hidden = true
  },
  moved: (following) => follow.setAttribute('aria-pressed', String(following)),
  drawn: (count) => put('shown', count === 0 ? 'No line passes the filters yet.' : `${count.toLocaleString('en')} ${count === 1 ? 'line' : 'lines'}`),
})

let stop = () => {}
let newest = 0

/** Filters, as the API takes them. `trace` is everything, and needs no filter. */
function filters() {
  const asked = values(form)
  if (asked.level === 'trace') delete asked.level
  return new URLSearchParams(asked)
}

async function open() {
  const asked = filters()
  told.hidden = true
  try {
    // A stream cannot say what is wrong with what it was asked for.
    await call('GET', `${base}/api/logs?${asked}&limit=1`)
  } catch (failure) {
    told.textContent = failure.message
    told.hidden = false
    return
  }
  stop()
  lines.empty()
  newest = 0
  lines.follow(true)
  follow.setAttribute('aria-pressed', 'true')
  history.replaceState(null, '', asked.size ? `?${asked}` : location.pathname)
  asked.set('limit', BEFORE)
  stop = listen(`${base}/api/sse?${asked}`, take, { gap: lost })
}

function take(entry) {
  // A stream that was opened again begins with what is known.
  if (entry.id <= newest) return
  newest = entry.id
  lines.add(entry)
}

function lost({ after, next }) {
  if (next - 1 <= newest) return
  newest = next - 1
  const message = `${number(next - after - 1)} lines are missing here: they had gone before they could be shown`
  lines.add({ id: newest, timestamp: new Date().toISOString(), level: 'warn', source: 'this page', message })
}

follow.addEventListener('click', () => {
  const following = !lines.following
  lines.follow(following)
  follow.setAttribute('aria-pressed', String(following))
})

document.getElementById('clear').addEventListener('click', (event) =>
  act(event.currentTarget, async () => {
    if (!confirm('Forget every line that is kept?')) return null
    await call('POST', `${base}/api/clear`, {})
    lines.empty()
    return 'The log is empty'
  }),
)

form.addEventListener('submit', (event) => {
  event.preventDefault()
  complain(form, null)
  act(form.querySelector('button'), open)
})
form.elements.namedItem('level').addEventListener('change', () => form.requestSubmit())

for (const [name, value] of new URLSearchParams(location.search)) {
  const input = form.elements.namedItem(name)
  if (input) input.value = value
}
open()
