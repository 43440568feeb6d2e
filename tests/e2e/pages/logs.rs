//! The logs' page: following, filtering, reading one line; and a hundred thousand of them.

use super::world::World;

pub(super) async fn used(world: &World) {
    let tab = &world.tab;
    world.open("/p/logs/").await;
    tab.shows("#pane", "/users/").await;
    tab.shows("#pane", "access").await;
    tab.until("lines come", "parseInt(document.querySelector('#shown').innerText.replaceAll(',', '')) > 20").await;
    world.look("logs").await;
    tab.write("#filter-status", "404").await;
    tab.write("#filter-search", "/nothing-here").await;
    tab.press("#filter-form", "Filter").await;
    tab.until(
        "only those are shown",
        "[...document.querySelectorAll('.entry:not([hidden])')].length > 3 && \
         [...document.querySelectorAll('.entry:not([hidden])')].every((e) => e.innerText.includes('/nothing-here 404'))",
    )
    .await;
    assert_eq!(tab.value("location.search").await, "?search=%2Fnothing-here&status=404");
    // Reading stops following; the line is shown whole.
    tab.click(".entry:not([hidden])").await;
    tab.shows("#entry-whole", "\"status\": 404").await;
    tab.until("it stands still", "document.querySelector('#follow').ariaPressed === 'false'").await;
    world.look("logs-line").await;
    // What is asked for wrongly is said.
    tab.write("#filter-status", "many").await;
    tab.press("#filter-form", "Filter").await;
    tab.shows("#filter-told", "`status` is a status (404)").await;
    tab.errors();
    many(world).await;
}

/// A stream of a hundred thousand lines in the place of the gateway's.
const MANY: &str = "window.EventSource = class extends EventTarget {
  constructor() {
    super()
    setTimeout(() => {
      const began = performance.now()
      for (let id = 1; id <= 100_000; id += 1) {
        const entry = { id, timestamp: '2026-01-31T12:00:00.000Z', level: 'info', source: 'access', message: `line ${id}` }
        this.onmessage({ data: JSON.stringify(entry) })
      }
      window.took = performance.now() - began
    }, 0)
  }
  close() {}
}";

async fn many(world: &World) {
    let tab = &world.tab;
    let script = tab.before_each_page(MANY).await;
    world.open("/p/logs/").await;
    tab.shows("#shown", "100,000 lines").await;
    tab.shows("#pane", "line 100000").await;
    let rows = tab.value("document.querySelectorAll('.entry').length").await;
    assert!(rows.as_u64().is_some_and(|rows| (10..100).contains(&rows)), "{rows} rows are in the page");
    let took = tab.value("took").await;
    assert!(took.as_f64().is_some_and(|took| took < 3_000.0), "taking 100,000 lines took {took} ms");
    let scrolled = tab
        .value(
            "new Promise((done) => { const began = performance.now(); const pane = document.querySelector('#pane'); \
             pane.scrollTop = 50_000 * 28; \
             requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)))) })",
        )
        .await;
    tab.shows("#pane", "line 50001").await;
    assert!(scrolled.as_f64().is_some_and(|took| took < 500.0), "scrolling took {scrolled} ms");
    tab.until("scrolling up stops following", "document.querySelector('#follow').ariaPressed === 'false'").await;
    tab.click("#follow").await;
    tab.shows("#pane", "line 100000").await;
    tab.forget(script).await;
}
