// The rules: shown in the order in which they are tried; those of the database are switched, moved, removed and added.
import { act, badge, base, call, complain, el, toast, values } from './kit.js'
import { table } from './table.js'

const path = `${base}/api/rules`
let rules = []

const list = table('rules-table', {
  key: (rule) => rule.id,
  empty: 'There are no rules. Add one below, or in the configuration file.',
  columns: [
    { show: (rule) => [rule.name ?? rule.id, el('small', {}, rule.readonly ? 'of the file' : 'of the database')], by: (rule) => [rule.name, rule.readonly] },
    { show: (rule) => el('code', {}, rule.pattern ?? '–'), by: (rule) => rule.pattern ?? null },
    { show: leads, by: (rule) => [rule.target, rule.service, rule.upstream, rule.rewrite] },
    { show: state, by: (rule) => [rule.enabled, rule.problem] },
    { show: buttons, by: (rule) => [rule.readonly, rule.enabled, place(rule)] },
  ],
})

function leads(rule) {
  const to = rule.service ? `service ${rule.service}` : (rule.target ?? 'its own upstream')
  return [el('code', {}, to), rule.rewrite ? el('small', {}, `as ${rule.rewrite}`) : null]
}

function state(rule) {
  if (rule.problem) return [badge('cannot be used', 'bad'), el('small', {}, rule.problem)]
  return badge(rule.enabled ? 'on' : 'off', rule.enabled ? 'good' : 'plain')
}

const own = () => rules.filter((rule) => !rule.readonly)

/** Is it the first or the last of those that can be moved? */
function place(rule) {
  const ids = own().map((one) => one.id)
  return [ids[0] === rule.id, ids.at(-1) === rule.id]
}

function buttons(rule) {
  if (rule.readonly) return '–'
  const named = rule.name ?? rule.id
  const does = (label, work) => {
    const button = el('button', { type: 'button', onclick: () => act(button, work) }, label, el('span', { class: 'unseen' }, ` ${named}`))
    return button
  }
  const one = `${path}/${encodeURIComponent(rule.id)}`
  const [first, last] = place(rule)
  return el(
    'div',
    { class: 'buttons' },
    does(rule.enabled ? 'Switch off' : 'Switch on', async () => {
      await call('PUT', `${one}/toggle`, { enabled: !rule.enabled })
      await loadRules()
      return `${named} is ${rule.enabled ? 'off' : 'on'}`
    }),
    first ? null : does('Up', () => move(rule, -1)),
    last ? null : does('Down', () => move(rule, 1)),
    does('Remove', async () => {
      if (!confirm(`Remove the rule ${named}?`)) return null
      await call('DELETE', one)
      await loadRules()
      return `${named} is removed`
    }),
  )
}

async function move(rule, by) {
  const ids = own().map((one) => one.id)
  const at = ids.indexOf(rule.id)
  ids.splice(at, 1)
  ids.splice(at + by, 0, rule.id)
  await call('PUT', `${path}/reorder`, { ids })
  await loadRules()
  return `${rule.name ?? rule.id} is moved`
}

export async function loadRules() {
  rules = await call('GET', path)
  list(rules)
}

const form = document.getElementById('add-form')
form.addEventListener('submit', (event) => {
  event.preventDefault()
  act(form.querySelector('button'), async () => {
    complain(form, null)
    try {
      const added = await call('POST', path, values(form))
      form.reset()
      await loadRules()
      toast(`${added.name ?? added.id} is added`)
    } catch (failure) {
      complain(form, failure)
    }
  })
})
