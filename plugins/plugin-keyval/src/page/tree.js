// Keys as a tree: one level at a time, page by page.
import { badge, call, el, toast } from './kit.js'
import { table } from './table.js'
import { open } from './entry.js'
import { api, button, keyText, short, whenChosen } from './store.js'

const more = document.getElementById('tree-more')
const way = document.getElementById('tree-way')
/** The prefixes from the top to the one that is shown. */
let steps = [{ path: '', key: [] }]
let shown = []
let after = null
let turn = 0

const rows = table('tree-table', {
  key: (child) => child.path,
  empty: 'There is nothing below this prefix.',
  columns: [
    { show: name, by: (child) => [child.key, child.isPrefix] },
    { show: value, by: (child) => [child.isEntry, child.value] },
    { show: (child) => el('code', {}, child.versionstamp ?? ''), by: (child) => child.versionstamp ?? null },
    { show: actions, by: (child) => [child.path, child.isEntry, child.isPrefix] },
  ],
})

function name(child) {
  const part = short(child.key.at(-1))
  return child.isPrefix ? [el('code', {}, part), ' ', badge('has keys below')] : el('code', {}, part)
}

function value(child) {
  return child.isEntry ? el('code', {}, short(child.value)) : el('span', { class: 'quiet' }, 'no entry')
}

function actions(child) {
  const of = keyText(child.key)
  return el(
    'div',
    { class: 'buttons' },
    child.isPrefix ? button('Go in', of, () => go([...steps, child])) : null,
    child.isEntry ? button('Open', of, () => open(child.path)) : null,
  )
}

function drawWay() {
  const step = (one, at) =>
    button(at === 0 ? 'All keys' : short(one.key.at(-1)), 'as the prefix', () => go(steps.slice(0, at + 1)))
  way.replaceChildren(...steps.map(step))
  way.lastChild.setAttribute('aria-current', 'true')
}

function go(to) {
  steps = to
  drawWay()
  return load()
}

/** The next page behind what is shown, or the first. */
async function load(from = null) {
  turn += 1
  const mine = turn
  const query = new URLSearchParams({ prefix: steps.at(-1).path, limit: 100, ...(from ? { after: from } : {}) })
  try {
    const page = await call('GET', `${api()}/tree?${query}`)
    const entries = page.children.filter((child) => child.isEntry)
    const read = entries.length ? await call('POST', `${api()}/keys/batch`, { keys: entries.map((child) => child.key) }) : []
    // Another level was asked for meanwhile.
    if (mine !== turn) return
    entries.forEach((child, at) => Object.assign(child, { value: read[at].value, versionstamp: read[at].versionstamp }))
    shown = from ? [...shown, ...page.children] : page.children
    after = page.after
    more.hidden = !after
    rows(shown)
  } catch (error) {
    toast(error.message, 'bad')
  }
}

more.addEventListener('click', () => load(after))
whenChosen(() => go([steps[0]]))

/** Shows what is there now. */
export const refresh = () => load()

drawWay()
load()
