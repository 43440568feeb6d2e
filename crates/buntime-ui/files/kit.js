// What the modules of pages share: making elements, talking to APIs, keeping up to date, telling people.
// Text goes into the page as text, never as markup.

/** Where the APIs of this page's plugin lie below. */
export const base = document.body.dataset.base
/** Where one signs in and out, if one can. */
export const session = document.body.dataset.session ?? null

/** An element. `props` are attributes, but `on…` are listeners; null and false are left out. */
export function el(name, props = {}, ...children) {
  return filled(document.createElement(name), props, children)
}

/** The same, of a drawing. */
export function svg(name, props = {}, ...children) {
  return filled(document.createElementNS('http://www.w3.org/2000/svg', name), props, children)
}

function filled(node, props, children) {
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value)
    else node.setAttribute(key, value === true ? '' : value)
  }
  node.append(...children.filter((child) => child !== null && child !== undefined))
  return node
}

/** Sets the text of an element by its id, if it is another. */
export function put(id, text) {
  const node = document.getElementById(id)
  if (node && node.textContent !== String(text)) node.textContent = String(text)
}

/** An answer that is not what was asked for. */
export class Failure extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `The server answered ${status}`)
    this.status = status
    /** Each with a JSON `pointer` and a `message`, if it was what was sent. */
    this.problems = problem.problems ?? []
    this.pointer = problem.pointer ?? null
  }
}

/** Asks an API, with header fields more if any; JSON goes in and comes out. A browser says itself where it comes from. */
export async function call(method, path, body, headers = {}) {
  const options = { method, headers: { accept: 'application/json', ...headers }, cache: 'no-store' }
  if (body !== undefined) {
    options.headers['content-type'] = 'application/json'
    options.body = JSON.stringify(body)
  }
  const response = await fetch(path, options)
  const isJson = (response.headers.get('content-type') ?? '').includes('json')
  const answer = isJson ? await response.json() : null
  if (!response.ok) throw new Failure(response.status, answer ?? {})
  return answer
}

/** Says what happened, for a while. */
export function toast(text, tone = 'good') {
  const close = el('button', { type: 'button', onclick: () => note.remove() }, 'Dismiss')
  const note = el('div', { class: `toast ${tone}` }, el('span', {}, text), close)
  const toasts = document.getElementById('toasts')
  toasts.append(note)
  while (toasts.children.length > 4) toasts.firstChild.remove()
  // What went wrong stays until it was read.
  if (tone === 'good') setTimeout(() => note.remove(), 6000)
}

/** Runs what a button is for: once at a time, and what goes wrong is told. */
export async function act(button, work) {
  if (button.getAttribute('aria-busy') === 'true') return
  button.setAttribute('aria-busy', 'true')
  try {
    const told = await work()
    if (typeof told === 'string') toast(told)
  } catch (error) {
    toast(error.message, 'bad')
  } finally {
    button.removeAttribute('aria-busy')
  }
}

/** Says above the page that it is not up to date, and why; nothing if it is. */
export function connection(error) {
  const note = document.getElementById('connection')
  if (!note) return
  if (!error) {
    note.hidden = true
    return
  }
  const ended = error.status === 401 || error.status === 403
  const here = encodeURIComponent(location.pathname + location.search)
  const enter = ended && session ? el('a', { href: `${session}?return=${here}` }, 'Sign in again') : null
  const why = ended ? 'You may no longer see this. ' : `Not up to date, trying again: ${error.message} `
  if (note.hidden || note.dataset.why !== why) note.replaceChildren(why, ...(enter ? [enter] : []))
  note.dataset.why = why
  note.hidden = false
}

/** Loads again and again while the page is looked at. Returns a function that loads at once. */
export function poll(every, load) {
  let timer = 0
  let turn = Promise.resolve()
  const once = async () => {
    try {
      await load()
      connection(null)
    } catch (error) {
      connection(error)
    }
  }
  const next = () => {
    clearTimeout(timer)
    turn = turn.then(once).then(() => {
      clearTimeout(timer)
      if (!document.hidden) timer = setTimeout(next, every)
    })
    return turn
  }
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) next()
  })
  next()
  return next
}

/** Listens to a stream of JSON events; what breaks is opened again. Returns a function that ends it. */
export function listen(path, take, others = {}) {
  let source = null
  let timer = 0
  const open = () => {
    source = new EventSource(path)
    source.onopen = () => connection(null)
    source.onmessage = (event) => take(JSON.parse(event.data))
    for (const [name, other] of Object.entries(others)) {
      source.addEventListener(name, (event) => other(JSON.parse(event.data)))
    }
    source.onerror = () => {
      connection(new Error('the stream broke off.'))
      // Refused: the browser does not try again by itself.
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, 3000)
    }
  }
  open()
  return () => {
    clearTimeout(timer)
    source.close()
  }
}

/** A word that says how something is. */
export function badge(word, tone = 'plain') {
  return el('span', { class: `badge ${tone}` }, String(word).replaceAll('_', ' '))
}

/** A moment in the reader's zone: milliseconds since 1970, or RFC 3339. */
export function when(value) {
  const node = el('time', { datetime: new Date(value).toISOString() })
  localizeOne(node)
  return node
}

/** Shows every moment in a part of a page in the reader's zone. */
export function localize(root) {
  for (const node of root.querySelectorAll('time[datetime]')) localizeOne(node)
}

const sameDay = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })
const otherDay = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' })

function localizeOne(node) {
  const date = new Date(node.dateTime)
  if (Number.isNaN(date.getTime())) return
  const today = date.toDateString() === new Date().toDateString()
  node.textContent = (today ? sameDay : otherDay).format(date)
  node.title = whole.format(date)
}

const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** A number as people write it. */
export function number(value) {
  if (value === null || value === undefined) return '–'
  return Math.abs(value) >= 100_000 ? short.format(value) : plain.format(value)
}

/** Bytes in the largest unit that leaves a digit before the point. */
export function bytes(value) {
  if (value === null || value === undefined) return '–'
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  let left = value
  while (left >= 1024 && unit < units.length - 1) {
    left /= 1024
    unit += 1
  }
  return `${plain.format(left)} ${units[unit]}`
}

/** How long something takes, from microseconds to days. */
export function span(millis) {
  if (millis === null || millis === undefined) return '–'
  if (millis < 1) return `${plain.format(millis * 1000)} µs`
  if (millis < 1000) return `${plain.format(millis)} ms`
  const seconds = millis / 1000
  if (seconds < 120) return `${plain.format(seconds)} s`
  if (seconds < 7200) return `${plain.format(seconds / 60)} min`
  if (seconds < 172_800) return `${plain.format(seconds / 3600)} h`
  return `${plain.format(seconds / 86_400)} d`
}

/** A level of the configuration, in words: `gateway`, `service users`. */
export function scope(value) {
  if (typeof value === 'string') return value
  return Object.entries(value ?? {})
    .map(([key, one]) => (typeof one === 'object' ? scope(one) : key === 'level' || key === 'type' ? one : `${key} ${one}`))
    .join(' ')
}

/** What is in a form, by name; what is empty is left out. */
export function values(form) {
  const entries = [...new FormData(form)].map(([name, value]) => [name, value.trim()])
  return Object.fromEntries(entries.filter(([, value]) => value !== ''))
}

/** Says in a form what is wrong with what was sent: each problem at its field, the rest as a toast. */
export function complain(form, failure) {
  for (const note of form.querySelectorAll('.told')) note.hidden = true
  for (const input of form.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid')
  if (!failure) return
  const own = { pointer: failure.pointer, message: failure.message }
  const problems = failure.problems?.length ? failure.problems : [own]
  let first = null
  for (const { pointer, message, help } of problems) {
    const name = (pointer ?? '').split('/').filter(Boolean).at(-1)
    const input = name ? form.elements.namedItem(name) : null
    const note = input && document.getElementById(input.getAttribute('aria-describedby'))
    if (!note) {
      toast(pointer ? `${pointer}: ${message}` : message, 'bad')
      continue
    }
    note.textContent = help ? `${message}; ${help}` : message
    note.hidden = false
    input.setAttribute('aria-invalid', 'true')
    first ??= input
  }
  first?.focus()
}
