// Rows to be taken along.
import { el } from './kit.js'
import { plain } from './grid.js'

/** By RFC 4180: a header, lines that end in CRLF, quotes where they are needed. Null is nothing, an empty text is `""`. */
export function csv(names, rows) {
  const quoted = (text) => `"${text.replaceAll('"', '""')}"`
  const field = (value) => {
    const text = plain(value)
    return (text === '' && value !== null) || /[",\r\n]/.test(text) || text !== text.trim() ? quoted(text) : text
  }
  return [names.map(field), ...rows.map((row) => names.map((name) => field(row[name])))].map((line) => `${line.join(',')}\r\n`).join('')
}

/** Hands a file to the reader. */
export function save(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }))
  el('a', { href: url, download: name }).click()
  // Not before the browser has taken it.
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

/** Hands rows over in that format. */
export function saveAs(format, name, names, rows) {
  const file = `${name.replace(/[^\p{L}\p{N}_.-]+/gu, '-')}.${format}`
  if (format === 'csv') save(file, 'text/csv;charset=utf-8', csv(names, rows))
  else save(file, 'application/json', `${JSON.stringify(rows, null, 2)}\n`)
}
