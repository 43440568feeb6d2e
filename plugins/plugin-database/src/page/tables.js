// The tables of a database, and the rows of one, page by page.
import { act, base, call, el, number, put } from './kit.js'
import { saveAs } from './export.js'
import { grid } from './grid.js'
import { table } from './table.js'

const SIZE = 50
/** Rows are taken along so many at a time, and no more than so many. */
const [PIECE, MOST] = [1000, 100_000]

let place = new URLSearchParams()
/** Which table is shown, from which row. */
let shown = null

const list = table('tables-table', {
  key: (one) => one.name,
  empty: 'There is no table.',
  columns: [
    { show: open, by: (one) => one.name },
    { show: (one) => one.type },
  ],
})

function open({ name }) {
  const made = el('button', { type: 'button', onclick: () => act(made, () => show(name, 0)) }, el('span', { class: 'unseen' }, 'Open '), el('code', {}, name))
  return el('div', { class: 'buttons' }, made)
}

async function load(name, offset, limit, count = true) {
  const asked = new URLSearchParams([...place, ['limit', limit], ['offset', offset], ['count', count]])
  return call('GET', `${base}/api/tables/${encodeURIComponent(name)}/rows?${asked}`)
}

async function show(name, offset) {
  const { rows, columns, total } = await load(name, offset, SIZE)
  shown = { name, offset, total }
  document.getElementById('rows').hidden = false
  put('rows-title', name)
  put('rows-said', total === 0 ? 'No rows.' : `${number(offset + 1)} to ${number(offset + rows.length)} of ${number(total)}`)
  grid('rows-table', columns, rows, 'No rows here.')
  for (const [id, is] of [['first', offset > 0], ['back', offset > 0], ['on', offset + rows.length < total]]) {
    document.getElementById(`rows-${id}`).disabled = !is
  }
}

/** Looks at the tables of another database; the rows of the last are no longer shown. */
export async function look(at) {
  if (String(at) !== String(place)) {
    shown = null
    document.getElementById('rows').hidden = true
  }
  place = at
  list((await call('GET', `${base}/api/tables?${place}`)).tables)
}

function button(id, work) {
  const one = document.getElementById(id)
  one.addEventListener('click', () => act(one, () => shown && work(shown)))
}

button('rows-first', ({ name }) => show(name, 0))
button('rows-back', ({ name, offset }) => show(name, Math.max(0, offset - SIZE)))
button('rows-on', ({ name, offset }) => show(name, offset + SIZE))

async function all(name) {
  const found = []
  let total = null
  for (;;) {
    const { rows, columns, total: counted } = await load(name, found.length, PIECE, total === null)
    total ??= counted
    found.push(...rows)
    if (rows.length === 0 || found.length >= total || found.length >= MOST) return { rows: found, names: columns.map((column) => column.name), total }
  }
}

for (const format of ['csv', 'json']) {
  button(`rows-${format}`, async ({ name }) => {
    const { rows, names, total } = await all(name)
    saveAs(format, name, names, rows)
    return rows.length < total ? `The first ${number(rows.length)} of ${number(total)} rows are in the file` : `${number(rows.length)} rows are in the file`
  })
}
