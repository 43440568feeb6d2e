// The settings of a plugin: shown without secrets, sent back as what has changed, refused with the place of each problem.
import { act, call, toast } from './kit.js'

const MASK = '***'
const part = document.getElementById('settings-part')
const form = document.getElementById('settings-form')
const area = document.getElementById('settings-config')
const told = document.getElementById('settings-config-told')
let open = null

/** Opens the settings of the plugin at that path of the API; `saved` is called when they have been changed. */
export async function settings(path, name, saved) {
  const { config } = await call('GET', path)
  open = { path, name, saved, config: config ?? {} }
  document.getElementById('settings-name').textContent = name
  area.value = JSON.stringify(open.config, null, 2)
  complain([])
  part.hidden = false
  area.focus()
}

document.getElementById('settings-close').addEventListener('click', () => {
  part.hidden = true
  open = null
})

form.addEventListener('submit', (event) => {
  event.preventDefault()
  act(event.submitter ?? form.querySelector('button'), save)
})

async function save() {
  complain([])
  let wanted
  try {
    wanted = JSON.parse(area.value)
  } catch (error) {
    return complain([`This is no JSON: ${error.message}`])
  }
  if (wanted === null || typeof wanted !== 'object' || Array.isArray(wanted)) return complain(['Settings are a JSON object.'])
  const patch = difference(open.config, wanted)
  if (patch === undefined) return complain(['Nothing is changed.'])
  if (JSON.stringify(patch).includes(MASK)) {
    return complain([`What you change holds a secret that is not shown. Write it in the place of ${MASK}.`])
  }
  try {
    const { message } = await call('PUT', open.path, { config: patch })
    toast(message)
  } catch (failure) {
    const problems = failure.problems.map(({ pointer, message, help }) => `${pointer}: ${message}${help ? `; ${help}` : ''}`)
    return complain(problems.length ? problems : [failure.message])
  }
  await settings(open.path, open.name, open.saved)
  await open.saved()
}

function complain(problems) {
  told.textContent = problems.join('. ')
  told.hidden = problems.length === 0
  if (problems.length) area.setAttribute('aria-invalid', 'true')
  else area.removeAttribute('aria-invalid')
}

/** A JSON merge patch (RFC 7396) from one value to another; undefined if they are the same. */
function difference(from, to) {
  if (JSON.stringify(from) === JSON.stringify(to)) return undefined
  const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value)
  if (!isObject(from) || !isObject(to)) return to
  const patch = {}
  for (const key of Object.keys(from)) if (!(key in to)) patch[key] = null
  for (const [key, value] of Object.entries(to)) {
    const one = difference(from[key], value)
    if (one !== undefined) patch[key] = one
  }
  return patch
}
