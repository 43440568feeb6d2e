// Tables that are filled again and again: rows are known by their key and cells change only when what they show does,
// so that whoever stands on a button in one stays there.
import { el } from './kit.js'

/**
 * Fills the table of that id. `columns`: each `show(row)`, text or an element; where it is an element, `by(row)` says
 * what it depends on. `key(row)` tells rows apart. `empty` is what stands there when there is none.
 */
export function table(id, { columns, key, empty = 'Nothing here yet.' }) {
  const body = document.getElementById(id).tBodies[0]
  const known = new Map()

  function fill(rows) {
    const seen = new Set()
    let place = body.firstChild
    for (const row of rows) {
      const name = String(key(row))
      if (seen.has(name)) continue
      seen.add(name)
      const tr = known.get(name) ?? make(name)
      tr.cells_.forEach((cell, at) => update(cell, columns[at], row))
      if (tr === place) place = place.nextSibling
      else body.insertBefore(tr, place)
    }
    for (const [name, tr] of known) {
      if (seen.has(name)) continue
      tr.remove()
      known.delete(name)
    }
    for (const note of body.querySelectorAll('tr.empty')) note.remove()
    if (rows.length === 0) body.append(el('tr', { class: 'empty' }, el('td', { colspan: columns.length }, empty)))
  }

  function make(name) {
    const tr = el('tr', { 'data-key': name })
    tr.cells_ = columns.map((column, at) => {
      const cell = at === 0 ? el('th', { scope: 'row' }) : el('td', { class: column.class })
      tr.append(cell)
      return { cell, by: undefined }
    })
    known.set(name, tr)
    return tr
  }

  return fill
}

function update(one, column, row) {
  const by = column.by ? JSON.stringify(column.by(row)) : undefined
  if (by !== undefined && by === one.by) return
  const shown = column.show(row)
  if (by === undefined && String(shown) === one.by) return
  one.by = by ?? String(shown)
  one.cell.replaceChildren(...[shown].flat().filter((part) => part !== null && part !== undefined))
}
