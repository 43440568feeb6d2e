// The last requests, with filters; and what the shell is not for.
import { act, badge, base, call, complain, el, number, poll, put, span, toast, values, when } from './kit.js'
import { table } from './table.js'

const filter = document.getElementById('requests-form')
const SHOWN = 100

function tone(status) {
  if (status === null) return 'plain'
  if (status >= 500) return 'bad'
  return status >= 400 ? 'warn' : 'good'
}

function limits(one) {
  if (!one.limit) return '–'
  return [one.limit, el('small', {}, one.rateLimited ? `refused: ${one.key}` : `only observed: ${one.key}`)]
}

const requests = table('requests-table', {
  key: (one) => one.number,
  empty: 'No request that fits is remembered.',
  columns: [
    { show: (one) => when(one.timestamp), by: (one) => one.timestamp },
    { show: (one) => [el('code', {}, `${one.method} ${one.path}`), one.route ? el('small', {}, one.route) : null], by: (one) => [one.method, one.path, one.route] },
    { show: (one) => badge(one.status === null ? 'under way' : String(one.status), tone(one.status)), by: (one) => one.status },
    { show: (one) => (one.duration === null ? '–' : span(one.duration)), class: 'number' },
    { show: (one) => [one.consumer ?? one.ip, one.consumer ? el('small', {}, one.ip) : null], by: (one) => [one.consumer, one.ip] },
    { show: limits, by: (one) => [one.limit, one.key, one.rateLimited] },
  ],
})

const load = (asked) => call('GET', `${base}/api/logs?${new URLSearchParams({ ...asked, limit: SHOWN })}`)
// The same request may come twice: rows are told apart by where they stand.
const show = (found) => requests(found.map((one, number) => ({ ...one, number })))
let asked = {}
const refresh = poll(2000, async () => show(await load(asked)))

filter.addEventListener('submit', (event) => {
  event.preventDefault()
  act(filter.querySelector('button'), async () => {
    complain(filter, null)
    const { rateLimited, ...others } = values(filter)
    const wanted = rateLimited === 'any' ? others : { ...others, rateLimited }
    try {
      show(await load(wanted))
      asked = wanted
    } catch (failure) {
      const pointer = failure.message.includes('statusRange') ? '/statusRange' : '/ip'
      complain(filter, { problems: [{ pointer, message: failure.message }] })
    }
  })
})

const forget = document.getElementById('requests-forget')
forget.addEventListener('click', () =>
  act(forget, async () => {
    if (!confirm('Forget all requests that are remembered?')) return null
    const { cleared } = await call('DELETE', `${base}/api/logs`)
    await refresh()
    return `${number(cleared)} requests are forgotten`
  }),
)

/** Shows what is counted, as the stream has it. */
export function showCounts({ total, rateLimited, avgDuration, kept }) {
  const average = avgDuration === null ? '' : `, ${span(avgDuration)} on average`
  put('requests-said', `${number(total)} since the start${average}; ${number(rateLimited)} refused by a limit. ${number(kept)} are remembered.`)
}

const api = `${base}/api/shell/excludes`
const shellForm = document.getElementById('shell-form')
let isOn = null

const excludes = table('shell-table', {
  key: (one) => one.basename,
  empty: 'The shell gets every path.',
  columns: [
    { show: (one) => el('code', {}, `/${one.basename}`), by: (one) => one.basename },
    { show: (one) => (one.source === 'env' ? 'the settings' : 'added here') },
    { show: remove, by: (one) => [one.basename, one.source] },
  ],
})

function remove(one) {
  if (one.source === 'env') return '–'
  const made = el('button', { type: 'button', onclick: () => act(made, () => include(one.basename)) }, 'Remove', el('span', { class: 'unseen' }, ` ${one.basename}`))
  return el('div', { class: 'buttons' }, made)
}

async function include(name) {
  await call('DELETE', `${api}/${encodeURIComponent(name)}`)
  await look()
  return `/${name} may be the shell's again`
}

/** Shows the shell as the stream has it. */
export function showShell(shell) {
  const changed = isOn !== shell.enabled
  isOn = shell.enabled
  shellForm.hidden = !isOn
  put('shell-said', isOn ? `${shell.target} gets what browsers navigate to, except below:` : 'There is no shell here: the setting `shellTarget` is not there.')
  if (changed) look()
}

const look = poll(5000, async () => excludes(isOn ? await call('GET', api) : []))

shellForm.addEventListener('submit', (event) => {
  event.preventDefault()
  act(shellForm.querySelector('button'), async () => {
    complain(shellForm, null)
    const { basename } = values(shellForm)
    try {
      await call('POST', api, { basename: (basename ?? '').replace(/^\//, '') })
    } catch (failure) {
      return complain(shellForm, { problems: [{ pointer: '/basename', message: failure.message }] })
    }
    shellForm.reset()
    await look()
    toast(`/${basename} is not the shell's`)
  })
})
