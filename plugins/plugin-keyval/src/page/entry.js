// One entry: seen whole, changed if it is still what was seen, deleted.
import { act, call, complain, put, toast, values } from './kit.js'
import { api, whenChosen } from './store.js'
import { refresh } from './tree.js'

const form = document.getElementById('entry-form')
const remove = document.getElementById('entry-delete')
/** What was opened: its path, the versionstamp that was seen, and when it is gone. */
let seen = null

const input = (name) => form.elements.namedItem(name)

function show(entry, said) {
  seen = entry
  input('path').readOnly = entry !== null
  input('path').value = entry?.path ?? ''
  input('value').value = entry ? JSON.stringify(entry.value, null, 2) : ''
  input('expiresIn').value = ''
  input('expiresIn').placeholder = entry?.expiresAt ? 'as it is; "never" to keep it' : 'never'
  remove.hidden = entry === null
  complain(form, null)
  put('entry-said', said)
}

/** Reads the entry of that path, and shows it. */
async function look(path, begin) {
  const { value, versionstamp, expiresAt } = await call('GET', `${api()}/keys/${path}`)
  const until = expiresAt ? `, gone at ${new Date(expiresAt).toLocaleString()}` : ''
  show({ path, value, versionstamp, expiresAt }, `${begin} ${versionstamp}${until}`)
}

/** Shows the entry of that path. */
export async function open(path) {
  try {
    await look(path, 'As of')
    document.getElementById('entry').scrollIntoView()
    input('value').focus()
  } catch (error) {
    toast(error.message, 'bad')
  }
}

/** What is said of how long it stays: what is typed, else what was seen. */
function stays(expiresIn) {
  if (expiresIn === 'never') return ''
  if (expiresIn) return `?${new URLSearchParams({ expiresIn })}`
  return seen?.expiresAt ? `?${new URLSearchParams({ expiresAt: seen.expiresAt })}` : ''
}

/** What is typed as JSON, or a complaint at its field. */
function typed(text) {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw Object.assign(new Error(error.message), { pointer: '/value' })
  }
}

async function save() {
  const { path, value, expiresIn } = values(form)
  if (!path) throw Object.assign(new Error('Say which key'), { pointer: '/path' })
  // Somebody else's change is not lost, nor is an entry that is there already.
  const only = seen ? { 'if-match': `"${seen.versionstamp}"` } : { 'if-none-match': '*' }
  const { versionstamp } = await call('PUT', `${api()}/keys/${path}${stays(expiresIn)}`, typed(value ?? ''), only)
  await refresh()
  // It may be gone already, or be another's.
  await look(path, 'Saved as').catch(() => show(null, `Saved as ${versionstamp}`))
  return `${path} is saved`
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  complain(form, null)
  act(event.submitter ?? form, async () => {
    try {
      return await save()
    } catch (error) {
      if (error.status === 412) error.message = seen ? 'Somebody has changed it meanwhile: open it again' : 'There is such a key already: open it'
      if (error.message.startsWith('expiresIn')) error.pointer = '/expiresIn'
      complain(form, error)
      return null
    }
  })
})

remove.addEventListener('click', () =>
  act(remove, async () => {
    const { path, versionstamp } = seen
    if (!confirm(`Delete ${path}?`)) return null
    await call('DELETE', `${api()}/keys/${path}`, { exact: true }, { 'if-match': `"${versionstamp}"` })
    await refresh()
    show(null, `${path} is deleted`)
    return `${path} is deleted`
  }),
)

document.getElementById('entry-new').addEventListener('click', () => {
  show(null, 'Write a key and its value.')
  input('path').focus()
})
whenChosen(() => show(null, 'Open a key above, or write one here.'))
