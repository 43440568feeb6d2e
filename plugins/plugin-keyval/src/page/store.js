// The namespace that is looked at, and how values and keys are shown.
import { base, el } from './kit.js'

let namespace = 'default'
const listeners = []

/** Where the API of the namespace lies. */
export const api = () => `${base}/admin/ns/${encodeURIComponent(namespace)}/api`

/** Looks at another namespace. */
export function choose(name) {
  namespace = name
  for (const listener of listeners) listener()
}

/** Called whenever another namespace is looked at. */
export function whenChosen(listener) {
  listeners.push(listener)
}

/** A part of a key, or a value, in one line. */
export function short(value, most = 120) {
  const text = value?.__type && typeof value.value === 'string' ? `${value.__type} ${value.value}` : JSON.stringify(value)
  return text.length > most ? `${text.slice(0, most)}…` : text
}

/** A key as its parts. */
export const keyText = (key) => key.map((part) => short(part)).join(' / ')

/** A button, named for those who hear it by itself. */
export function button(label, of, onclick) {
  return el('button', { type: 'button', onclick }, label, el('span', { class: 'unseen' }, ` ${of}`))
}
