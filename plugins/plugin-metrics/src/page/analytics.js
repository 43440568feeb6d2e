// Analytics: what the database has of an hour, a day, a month. Asked again now and then, and when another is chosen.
import { base, badge, bytes, call, el, number, put, session, span, when } from './kit.js'
import { chart } from './chart.js'
import { table } from './table.js'

const EVERY = 30_000
const part = document.getElementById('analytics')
const note = document.getElementById('analytics-note')
const buttons = [...document.querySelectorAll('#analytics-windows button')]
const charts = part && {
  requests: chart('chart-analytics', { lines: ['all', '4xx', '5xx'], show: number }),
  time: chart('chart-analytics-time', { lines: ['on average'], show: span }),
}

const count = (read) => ({ show: (row) => number(read(row)), class: 'number' })
const figures = [
  count((row) => row.requests),
  count((row) => row.clientErrors),
  count((row) => row.serverErrors),
  { show: (row) => span(row.meanMs), class: 'number' },
  { show: (row) => bytes(row.responseBytes), class: 'number' },
]
const empty = 'There was no request.'
const status = (row) => String(row.status ?? row.class)
const tone = (row) => (row.class === '5xx' ? 'bad' : row.class === '4xx' ? 'warn' : 'good')
const shownStatus = { show: (row) => badge(status(row), tone(row)), by: status }

const tables = part && {
  routes: table('analytics-routes', {
    key: (row) => row.route,
    empty,
    columns: [{ show: (row) => row.route }, ...figures],
  }),
  consumers: table('analytics-consumers', {
    key: (row) => JSON.stringify(row.consumer),
    empty,
    columns: [{ show: (row) => row.consumer ?? el('em', {}, 'nobody known'), by: (row) => row.consumer ?? null }, ...figures],
  }),
  statuses: table('analytics-statuses', {
    key: status,
    empty,
    columns: [shownStatus, count((row) => row.requests)],
  }),
  errors: table('analytics-errors', {
    key: (row) => JSON.stringify([row.code, row.status, row.class]),
    empty: 'There was no error.',
    columns: [
      { show: (row) => el(row.code ? 'code' : 'em', {}, row.code ?? 'without a code'), by: (row) => row.code },
      shownStatus,
      count((row) => row.requests),
      { show: (row) => when(row.last), by: (row) => row.last },
    ],
  }),
}

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' })
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' })

function show(answer, chosen) {
  const { totals, series, since, until } = answer
  put('analytics-requests', number(totals.requests))
  put('analytics-4xx', number(totals.clientErrors))
  put('analytics-5xx', number(totals.serverErrors))
  put('analytics-mean', span(totals.meanMs))
  put('analytics-sent', bytes(totals.responseBytes))
  const written = chosen === 'month' ? day : clock
  const ends = [since, until].map((moment) => written.format(new Date(moment)))
  const points = (read) => series.map((point) => ({ time: Date.parse(point.at), values: read(point) }))
  const all = [totals.requests, totals.clientErrors, totals.serverErrors]
  charts.requests.whole(points((point) => [point.requests, point.clientErrors, point.serverErrors]), ends, all)
  charts.time.whole(points((point) => [point.meanMs]), ends, [totals.meanMs])
  for (const [name, fill] of Object.entries(tables)) fill(answer[name])
  const away = answer.storage.failing ? 'The database is away: what has happened since waits in memory. ' : ''
  const lost = answer.storage.lost > 0 ? `${number(answer.storage.lost)} requests could not be kept.` : ''
  tell(away + lost)
}

function tell(text, ...more) {
  note.hidden = text === ''
  if (note.textContent !== text) note.replaceChildren(text, ...more)
}

let chosen = 'hour'
let timer = 0
let asked = 0

async function load() {
  clearTimeout(timer)
  const turn = (asked += 1)
  part.setAttribute('aria-busy', 'true')
  try {
    const answer = await call('GET', `${base}/api/analytics?window=${chosen}`)
    // Another was chosen meanwhile.
    if (turn !== asked) return
    show(answer, chosen)
  } catch (error) {
    if (turn !== asked) return
    tell(`Not up to date, trying again: ${error.message}`)
  }
  part.removeAttribute('aria-busy')
  if (!document.hidden) timer = setTimeout(load, EVERY)
}

/** May whoever looks read them? Asked first, so that nothing is refused that nobody wanted. */
async function mayRead() {
  if (part.dataset.access === 'public' || !session) return true
  const { signedIn, administers } = await call('GET', session)
  return signedIn || administers
}

async function begin() {
  if (!(await mayRead())) {
    const here = encodeURIComponent(location.pathname + location.search)
    tell('Analytics name consumers and are for administrators. ', el('a', { href: `${session}?return=${here}` }, 'Sign in'))
    document.getElementById('analytics-shown').hidden = true
    return
  }
  for (const button of buttons) {
    button.addEventListener('click', () => {
      chosen = button.value
      for (const one of buttons) one.setAttribute('aria-pressed', String(one === button))
      load()
    })
  }
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) load()
  })
  await load()
}

if (part) begin().catch((error) => tell(error.message))
