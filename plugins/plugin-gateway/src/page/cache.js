// What is cached, and forgetting it.
import { act, base, bytes, call, complain, el, number, poll, span, toast, values } from './kit.js'
import { table } from './table.js'

const api = `${base}/api/cache`
const entriesForm = document.getElementById('entries-form')
const form = document.getElementById('invalidate-form')

const entries = table('entries-table', {
  key: (entry) => `${entry.key} ${JSON.stringify(entry.scope)} ${entry.number}`,
  empty: 'Nothing is cached.',
  columns: [
    { show: title, by: (entry) => [entry.key, entry.vary, entry.route] },
    { show: (entry) => String(entry.status), class: 'number' },
    { show: (entry) => bytes(entry.bytes), class: 'number' },
    { show: (entry) => span(entry.age * 1000), class: 'number' },
    { show: (entry) => (entry.ttl > 0 ? span(entry.ttl * 1000) : 'stale'), class: 'number' },
    { show: (entry) => entry.tags.join(', ') || '–' },
    { show: button, by: (entry) => entry.key },
  ],
})

function title(entry) {
  const vary = entry.vary.length ? `varies by ${entry.vary.join(', ')}` : null
  const said = [entry.route, vary].filter(Boolean).join(', ')
  return [el('code', {}, entry.key), said ? el('small', {}, said) : null]
}

function button(entry) {
  const forget = () => invalidate({ key: entry.key })
  const made = el('button', { type: 'button', onclick: () => act(made, forget) }, 'Forget', el('span', { class: 'unseen' }, ` ${entry.key}`))
  return el('div', { class: 'buttons' }, made)
}

async function invalidate(what) {
  const { invalidated } = await call('POST', `${api}/invalidate`, what)
  await refresh()
  if (invalidated === 1) return '1 answer is forgotten'
  return invalidated === 'all' ? 'All that was cached is forgotten' : `${number(invalidated)} answers are forgotten`
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  act(form.querySelector('button'), async () => {
    complain(form, null)
    const { by, what } = values(form)
    if (by !== 'all' && !what) {
      return complain(form, { problems: [{ pointer: '/what', message: 'Say which; or choose “at all: everything”' }] })
    }
    try {
      toast(await invalidate(by === 'all' ? {} : { [by]: what }))
    } catch (failure) {
      complain(form, { problems: [{ pointer: '/what', message: failure.message }] })
    }
  })
})

entriesForm.addEventListener('submit', (event) => {
  event.preventDefault()
  refresh()
})

let isOn = null

/** Shows the cache's figures as the stream has them. */
export function showCache(cache) {
  isOn = cache !== null
  const said = cache
    ? `${number(cache.size)} URLs in ${bytes(cache.bytes)} of ${bytes(cache.maxBytes)}: ${number(cache.hits)} hits ` +
      `(${number(cache.stale)} stale, ${number(cache.collapsed)} collapsed), ${number(cache.misses)} misses, ` +
      `${number(cache.revalidated)} revalidated, ${number(cache.passed)} passed by, ${number(cache.invalidated)} invalidated.`
    : 'Nothing is cached here: the setting `cache` is not there.'
  const place = document.getElementById('cache-said')
  if (place.textContent !== said) place.textContent = said
  form.hidden = entriesForm.hidden = !isOn
}

const refresh = poll(2000, async () => {
  if (isOn === false) return entries([])
  const seen = new Map()
  const found = await call('GET', `${api}/entries?${new URLSearchParams({ ...values(entriesForm), limit: 100 })}`)
  return entries(
    found.map((entry) => {
      // Variants of one URL are told apart by their number.
      const count = (seen.get(entry.key) ?? 0) + 1
      seen.set(entry.key, count)
      return { ...entry, number: count }
    }),
  )
})
