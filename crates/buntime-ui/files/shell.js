// What every page has: the switch of the theme, signing in and out, times in the reader's zone.
import { act, call, localize, session } from './kit.js'

const themes = ['automatic', 'light', 'dark']
const button = document.getElementById('theme')

function theme() {
  return document.documentElement.dataset.theme ?? 'automatic'
}

function choose(next) {
  if (next === 'automatic') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = next
  try {
    if (next === 'automatic') localStorage.removeItem('theme')
    else localStorage.setItem('theme', next)
  } catch {
    // It holds for this page then.
  }
  button.textContent = `Theme: ${next}`
}

button.textContent = `Theme: ${theme()}`
button.hidden = false
button.addEventListener('click', () => choose(themes[(themes.indexOf(theme()) + 1) % themes.length]))

async function showSession() {
  const [enter, leave] = [document.getElementById('sign-in'), document.getElementById('sign-out')]
  const { signedIn, administers } = await call('GET', session)
  const here = location.pathname + location.search
  enter.href = `${session}?return=${encodeURIComponent(here)}`
  enter.hidden = signedIn || administers || document.getElementById('sign-in-form') !== null
  leave.hidden = !signedIn
  leave.addEventListener('click', () =>
    act(leave, async () => {
      await call('DELETE', session)
      location.assign('/')
    }),
  )
}

localize(document)
if (session) showSession().catch(() => {})
