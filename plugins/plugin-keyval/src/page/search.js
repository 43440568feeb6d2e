// Indexes: which there are and how far each is, declaring and removing them; and searching with what was found marked.
import { act, badge, call, complain, el, number, values } from './kit.js'
import { table } from './table.js'
import { open } from './entry.js'
import { api, button, keyText, short, whenChosen } from './store.js'

const tones = { ready: 'good', building: 'warn', failed: 'bad' }

const indexes = table('indexes-table', {
  key: (index) => JSON.stringify([index.prefix, index.kind, index.name]),
  empty: 'No index is declared.',
  columns: [
    { show: (index) => keyText(index.prefix) || 'all keys' },
    { show: (index) => [index.unique ? 'unique' : index.kind, el('small', {}, index.name ?? index.tokenize ?? '')], by: (index) => [index.kind, index.unique, index.name, index.tokenize] },
    { show: (index) => index.fields.join(', ') },
    { show: (index) => badge(index.state, tones[index.state]), by: (index) => index.state },
    { show: (index) => number(index.entries), class: 'number' },
    { show: removal, by: (index) => [index.prefix, index.kind, index.name] },
  ],
})

function removal({ prefix, kind, name }) {
  const remove = button('Remove', `the index of ${keyText(prefix)}`, () =>
    act(remove, async () => {
      if (!confirm(`Remove the index of ${keyText(prefix) || 'all keys'}? What is stored stays.`)) return null
      await call('DELETE', `${api()}/indexes`, { prefix, kind, name })
      await load()
      return 'The index is removed'
    }),
  )
  return el('div', { class: 'buttons' }, remove)
}

/** A prefix as it is typed, as its parts: what the server makes of that path. */
async function parts(path) {
  return (await call('GET', `${api()}/tree?${new URLSearchParams({ prefix: path, limit: 1 })}`)).prefix.key
}

const declare = document.getElementById('index-form')
declare.addEventListener('submit', (event) => {
  event.preventDefault()
  complain(declare, null)
  act(event.submitter ?? declare, async () => {
    const { prefix = '', kind, fields } = values(declare)
    const list = (fields ?? '').split(',').map((field) => field.trim()).filter(Boolean)
    const wanted = kind === 'unique' ? { kind: 'sorted', unique: true } : { kind }
    if (kind !== 'count') wanted.fields = list
    try {
      await call('POST', `${api()}/indexes`, { prefix: await parts(prefix), ...wanted })
      await load()
      return 'The index is declared'
    } catch (error) {
      if (error.message.includes('field')) error.pointer = '/fields'
      complain(declare, error)
      return null
    }
  })
})

const hits = table('hits-table', {
  key: (hit) => JSON.stringify(hit.key),
  empty: 'Nothing is found.',
  columns: [
    { show: (hit) => keyText(hit.key) },
    { show: marked, by: (hit) => [hit.highlights, hit.versionstamp] },
    { show: (hit) => hit.score.toFixed(2), class: 'number' },
    { show: (hit) => el('div', { class: 'buttons' }, button('Open', keyText(hit.key), () => open(hit.path))), by: (hit) => hit.path },
  ],
})

/** What was found, its marks as elements and the rest as text. */
function marked(hit) {
  const found = Object.entries(hit.highlights ?? {})
  if (found.length === 0) return el('code', {}, short(hit.value))
  const parser = new DOMParser()
  return found.map(([field, html]) => {
    const nodes = [...parser.parseFromString(html, 'text/html').body.childNodes]
    const shown = nodes.map((node) => (node.nodeName === 'MARK' ? el('mark', {}, node.textContent) : node.textContent))
    return el('div', {}, el('small', {}, field), ...shown)
  })
}

const search = document.getElementById('search-form')
search.addEventListener('submit', (event) => {
  event.preventDefault()
  complain(search, null)
  act(event.submitter ?? search, async () => {
    const { prefix = '', query = '' } = values(search)
    try {
      const found = await call('GET', `${api()}/search?${new URLSearchParams({ prefix, query, highlight: 'true', limit: 50 })}`)
      hits(found)
    } catch (error) {
      error.pointer = error.status === 404 ? '/prefix' : '/query'
      complain(search, error)
    }
    return null
  })
})

/** Loads the indexes. */
export async function load() {
  indexes(await call('GET', `${api()}/indexes`))
}

whenChosen(() => hits([]))
hits([])
