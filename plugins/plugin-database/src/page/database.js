// Which databases there are, how they are, and which one is looked at.
import { act, badge, base, call, complain, el, poll, toast, values } from './kit.js'
import { aim } from './query.js'
import { table } from './table.js'
import { look } from './tables.js'

const placeForm = document.getElementById('place-form')
const [types, tenants] = ['type', 'tenant'].map((name) => placeForm.elements.namedItem(name))
const tenantForm = document.getElementById('tenant-form')
const remove = document.getElementById('tenant-delete')
let adapters = []

const list = table('adapters-table', {
  key: (one) => one.type,
  columns: [
    { show: (one) => [one.type, one.default ? el('small', {}, 'the default') : null], by: (one) => [one.type, one.default] },
    { show: (one) => el('code', {}, one.location), by: (one) => one.location },
    { show: (one) => [badge(one.state === 'healthy' ? 'healthy' : 'unhealthy', one.state === 'healthy' ? 'good' : 'bad'), one.state === 'healthy' ? null : el('small', {}, one.state)], by: (one) => one.state },
    { show: (one) => (one.tenants ? 'yes' : 'none') },
  ],
})

const options = (select, all, chosen) => {
  select.replaceChildren(...all.map(([value, shown]) => el('option', { value }, shown)))
  select.value = all.some(([value]) => value === chosen) ? chosen : all[0]?.[0]
}

poll(5000, async () => {
  const [told, health] = await Promise.all([call('GET', `${base}/api/adapters`), call('GET', `${base}/api/health`)])
  list(told.details.map((one) => ({ ...one, state: health.adapters[one.type] })))
  if (String(adapters.map((one) => one.type)) === String(told.adapters)) return
  adapters = told.details
  const asked = new URLSearchParams(location.search)
  options(types, adapters.map((one) => [one.type, one.type]), asked.get('type') ?? told.default)
  await choose(asked.get('tenant') ?? '')
})

/** The tenants of the database that is chosen; one of them is looked at. */
async function choose(tenant) {
  const known = await call('GET', `${base}/api/tenants?type=${types.value}`)
  options(tenants, [['', 'none: the database itself'], ...known.tenants.map((name) => [name, name])], tenant)
  tenantForm.hidden = !adapters.find((one) => one.type === types.value)?.tenants
  await show()
}

async function show() {
  const at = new URLSearchParams({ type: types.value })
  if (tenants.value) at.set('tenant', tenants.value)
  remove.hidden = !tenants.value
  history.replaceState(null, '', `?${at}`)
  aim(Object.fromEntries(at), () => look(at))
  await look(at)
}

types.addEventListener('change', () => act(types, () => choose('')))
tenants.addEventListener('change', () => act(tenants, show))
placeForm.addEventListener('submit', (event) => event.preventDefault())

tenantForm.addEventListener('submit', (event) => {
  event.preventDefault()
  act(tenantForm.querySelector('button'), async () => {
    complain(tenantForm, null)
    const { id } = values(tenantForm)
    try {
      await call('POST', `${base}/api/tenants`, { id, type: types.value })
    } catch (failure) {
      return complain(tenantForm, { problems: [{ pointer: '/id', message: failure.message }] })
    }
    tenantForm.reset()
    await choose(id)
    toast(`${id} is there, and looked at`)
  })
})

remove.addEventListener('click', () =>
  act(remove, async () => {
    const id = tenants.value
    if (!confirm(`Delete ${id} with all that is in it?`)) return null
    await call('DELETE', `${base}/api/tenants/${encodeURIComponent(id)}?type=${types.value}`)
    await choose('')
    return `${id} is gone`
  }),
)

