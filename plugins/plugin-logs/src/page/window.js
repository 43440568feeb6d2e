// A list of which only what is in sight is in the page. Rows have one height, so the place of each is known.
import { el } from './kit.js'

const HEIGHT = 28
/** Rows that are kept; past it the oldest go, some at a time. */
const MOST = 100_000
const SOME = 5_000
/** Rows above and below what is in sight. */
const MORE = 8

/**
 * In that element. `cells(entry)` gives the texts or elements of a row; `chosen(entry)` is told when one is clicked;
 * `moved(following)` when the reader has scrolled away from the end, or back to it.
 */
export class Window {
  #rows = []
  #pool = []
  #pane
  #all
  #options
  #waiting = false
  #top = 0
  following = true
  current = null

  constructor(pane, options) {
    this.#pane = pane
    this.#all = pane.firstElementChild
    this.#options = options
    pane.addEventListener('scroll', () => this.#scrolled(), { passive: true })
    new ResizeObserver(() => this.#later()).observe(pane)
  }

  get length() {
    return this.#rows.length
  }

  add(entry) {
    this.#rows.push(entry)
    if (this.#rows.length > MOST) {
      this.#rows.splice(0, SOME)
      // What is read stays where it is.
      if (!this.following) this.#pane.scrollTop -= SOME * HEIGHT
    }
    this.#later()
  }

  empty() {
    this.#rows = []
    this.current = null
    this.#pane.scrollTop = 0
    this.#later()
  }

  follow(following) {
    this.following = following
    this.#later()
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.#pane
    // Growing content is no scrolling: only the reader goes up.
    const up = scrollTop < this.#top
    this.#top = scrollTop
    const atEnd = scrollTop + clientHeight >= scrollHeight - HEIGHT
    if (this.following && up && !atEnd) this.#options.moved((this.following = false))
    else if (!this.following && atEnd && !up) this.#options.moved((this.following = true))
    this.#later()
  }

  #later() {
    if (this.#waiting) return
    this.#waiting = true
    requestAnimationFrame(() => {
      this.#waiting = false
      this.#draw()
    })
  }

  #draw() {
    const height = `${this.#rows.length * HEIGHT}px`
    if (this.#all.style.height !== height) this.#all.style.height = height
    if (this.following) {
      this.#pane.scrollTop = this.#pane.scrollHeight
      this.#top = this.#pane.scrollTop
    }
    const first = Math.max(0, Math.floor(this.#pane.scrollTop / HEIGHT) - MORE)
    const count = Math.ceil(this.#pane.clientHeight / HEIGHT) + 2 * MORE
    const shown = this.#rows.slice(first, first + count)
    shown.forEach((entry, at) => this.#show(at, first + at, entry))
    for (const row of this.#pool.slice(shown.length)) row.hidden = true
    this.#options.drawn?.(this.#rows.length)
  }

  #show(at, place, entry) {
    const row = (this.#pool[at] ??= this.#make())
    row.hidden = false
    row.style.top = `${place * HEIGHT}px`
    if (entry === this.current) row.setAttribute('aria-current', 'true')
    else row.removeAttribute('aria-current')
    if (row.entry === entry) return
    row.entry = entry
    row.replaceChildren(...this.#options.cells(entry))
  }

  #make() {
    const row = el('button', {
      type: 'button',
      class: 'entry',
      onclick: () => {
        this.current = row.entry
        this.#options.moved((this.following = false))
        this.#options.chosen(row.entry)
        this.#later()
      },
    })
    this.#all.append(row)
    return row
  }
}
