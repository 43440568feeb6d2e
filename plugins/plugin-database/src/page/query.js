// One statement, and what it comes to.
import { act, base, call, complain, number, put, span, values } from './kit.js'
import { saveAs } from './export.js'
import { grid } from './grid.js'

const form = document.getElementById('query-form')
const run = form.querySelector('button')
let result = null

/** What the database is that is asked, and what is to be done when something may have changed. */
let [place, changed] = [{}, () => {}]

/** Asks that database from now on. */
export function aim(at, then) {
  place = at
  changed = then
}

function told({ rowCount, affectedRows, duration, truncated, rows }) {
  const took = `in ${span(duration)}`
  if (truncated) return `The first ${number(rows.length)} of ${number(rowCount)} rows, ${took}. Ask for fewer with LIMIT.`
  const changes = affectedRows ? `${number(affectedRows)} changed, ` : ''
  return `${changes}${number(rowCount)} ${rowCount === 1 ? 'row' : 'rows'} ${took}.`
}

/** The arguments, or `undefined` if they are none. */
function read(text) {
  try {
    const args = JSON.parse(text || '[]')
    return Array.isArray(args) ? args : undefined
  } catch {
    return undefined
  }
}

async function ask() {
  complain(form, null)
  const { sql, args: text, mode } = values(form)
  const args = read(text)
  if (args === undefined) return complain(form, { problems: [{ pointer: '/args', message: 'This is no JSON array; write [1, "text"]' }] })
  try {
    result = await call('POST', `${base}/api/query`, { ...place, sql: sql ?? '', args, readOnly: mode === 'read' })
  } catch (failure) {
    const help = failure.status === 409 && mode === 'read' && failure.message.includes('only reading') ? 'choose “change data” if it is meant to' : undefined
    const pointer = failure.message.includes('args[') ? '/args' : '/sql'
    return complain(form, { problems: [{ pointer, message: failure.message, help }] })
  }
  document.getElementById('result').hidden = false
  put('result-said', told(result))
  grid('result-table', result.columns.map((name) => ({ name })), result.rows, 'It returns no rows.')
  if (mode === 'write') await changed()
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  act(run, ask)
})

document.getElementById('query-sql').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit()
})

for (const format of ['csv', 'json']) {
  const button = document.getElementById(`result-${format}`)
  button.addEventListener('click', () =>
    act(button, async () => {
      saveAs(format, 'query', result.columns, result.rows)
      return `${number(result.rows.length)} rows are in the file`
    }),
  )
}
