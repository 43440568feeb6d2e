// Rows whose columns are known only when they come, and values with their types.
import { bytes, el } from './kit.js'

/** Characters of a text that are shown; all of it is in what is taken along. */
const LONGEST = 300

/** Is it an object that stands for a value, since JSON has none such? */
const isTyped = (value) => value !== null && typeof value === 'object'

/** How many bytes that base64 (without padding) holds. */
const sizeOf = (base64) => Math.floor((base64.replace(/=+$/, '').length * 3) / 4)

/** What a value is called: `null`, `integer`, `real`, `text`, `blob`. */
export function kindOf(value) {
  if (value === null) return 'null'
  if (isTyped(value)) return value.type === 'float' ? 'real' : value.type
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'real'
  return 'text'
}

/** A value as one line of text. A blob is its base64. */
export function plain(value) {
  if (value === null) return ''
  if (isTyped(value)) return value.type === 'blob' ? value.base64 : String(value.value)
  return String(value)
}

function cell(value) {
  const kind = kindOf(value)
  if (kind === 'null') return el('span', { class: 'badge', title: 'null' }, 'NULL')
  if (kind === 'blob') {
    const head = value.base64.slice(0, 24)
    return el('code', { title: 'base64' }, `${head}${value.base64.length > 24 ? '…' : ''}`, el('small', {}, `blob, ${bytes(sizeOf(value.base64))}`))
  }
  const text = plain(value)
  if (kind !== 'text') return el('span', { title: kind }, text)
  return el('span', { title: 'text' }, text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text)
}

const numbers = ['integer', 'real']

/** Fills the table of that id. `columns`: each a `name` and perhaps a `type`; `rows`: objects by those names. */
export function grid(id, columns, rows, empty) {
  const table = document.getElementById(id)
  const head = columns.map(({ name, type }) => el('th', { scope: 'col' }, name, type ? el('small', {}, type) : null))
  table.tHead.replaceChildren(el('tr', {}, ...head))
  const line = (row) => el('tr', {}, ...columns.map(({ name }) => el('td', { class: numbers.includes(kindOf(row[name])) ? 'number' : null }, cell(row[name]))))
  const none = el('tr', { class: 'empty' }, el('td', { colspan: Math.max(1, columns.length) }, empty))
  table.tBodies[0].replaceChildren(...(rows.length ? rows.map(line) : [none]))
}
