// Asks what would happen to a request, and shows the answer.
import { call, complain, el, values } from './kit.js'

export function explainer() {
  const form = document.getElementById('explain-form')
  const place = document.getElementById('explained')
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    complain(form, null)
    try {
      place.replaceChildren(...show(await call('GET', `/api/explain?${new URLSearchParams(values(form))}`)))
    } catch (failure) {
      place.replaceChildren(el('p', { class: 'note bad' }, failure.message))
    }
  })
}

function show({ route, runs, chain, leftOut }) {
  const steps = chain.map((step) =>
    el('li', {}, el('strong', {}, `${step.plugin}:${step.set}`), ` (${step.stages.join(', ')})`, el('small', { class: 'quiet' }, ` ${step.because}`)),
  )
  const through = {
    chain: 'It runs through the whole chain:',
    observers: 'Only what observes runs:',
    nothing: 'Nothing runs.',
  }
  return [
    el('h3', {}, answers(route)),
    el('p', {}, steps.length ? through[runs] : 'No hook runs.'),
    el('ol', {}, ...steps),
    leftOut.length ? el('p', { class: 'quiet' }, `Left out: ${leftOut.map((one) => `${one.plugin} (${one.reason})`).join('; ')}`) : null,
  ].filter(Boolean)
}

function answers(route) {
  if (route.type === 'service') return `The service ${route.service} answers, by its route ${route.route}.`
  if (route.type === 'plugin') return `The plugin ${route.plugin} answers.`
  if (route.type === 'source') return `The plugin ${route.plugin} sends it on: ${route.label}.`
  if (route.type === 'runtime') return 'This server answers itself.'
  return 'Nothing answers: 404.'
}
