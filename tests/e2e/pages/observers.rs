//! The pages of metrics and health.

use super::world::World;

pub(super) async fn metrics(world: &World) {
    let tab = &world.tab;
    world.open("/p/metrics/").await;
    tab.shows("#routes-table", "service:users/all").await;
    tab.shows("#upstreams-table", "users").await;
    tab.until("rates", "/^[0-9.]+$/.test(document.querySelector('#stat-rate').innerText)").await;
    for chart in ["rate", "latency", "errors", "process"] {
        let drawn = format!("document.querySelector('#chart-{chart} path').getAttribute('d').split('L').length > 3");
        tab.until(&format!("the chart {chart} is drawn"), &drawn).await;
    }
    tab.until("latencies", "/(µs|ms)/.test(document.querySelector('#stat-p95').innerText)").await;
    analytics(world).await;
    world.look("metrics").await;
}

/// The same traffic, as the database has it.
async fn analytics(world: &World) {
    let tab = &world.tab;
    tab.shows("#analytics-routes", "service:users/all").await;
    tab.shows("#analytics-routes", "proxy:legacy").await;
    tab.shows("#analytics-consumers", "nobody known").await;
    tab.shows("#analytics-statuses", "429").await;
    tab.shows("#analytics-errors", "rate_limited").await;
    for window in ["day", "month", "hour"] {
        tab.click(&format!("#analytics-windows button[value={window}]")).await;
        let chosen = format!("document.querySelector('#analytics-windows [aria-pressed=true]').value === '{window}'");
        tab.until(&format!("a {window} is chosen"), &chosen).await;
        let answered = "!document.querySelector('#analytics').hasAttribute('aria-busy')";
        tab.until(&format!("a {window} is there"), answered).await;
        let told = "Number(document.querySelector('#analytics-requests').innerText.replaceAll(',', '')) > 0";
        tab.until(&format!("requests of a {window}"), told).await;
        let drawn = "document.querySelectorAll('#chart-analytics path')[0].getAttribute('d').split('L').length > 30";
        tab.until(&format!("the chart of a {window} is drawn"), drawn).await;
    }
    let local = "document.querySelector('#analytics-errors time').title !== ''";
    tab.until("times are local", local).await;
}

pub(super) async fn health(world: &World) {
    let tab = &world.tab;
    world.open("/p/health/").await;
    tab.shows("#checks-table", "upstream:users").await;
    tab.shows("#checks-table tbody tr", "degraded").await;
    tab.shows("#stat-status", "degraded").await;
    tab.until("times are local", "document.querySelector('#checked-at').dateTime.endsWith('Z')").await;
    world.look("health").await;
    // The server goes: the page says so, and comes back with it. Here, the network does.
    tab.offline(true).await;
    tab.shows("#connection", "Not up to date").await;
    tab.errors();
    tab.offline(false).await;
    tab.until("it is up to date", "document.querySelector('#connection').hidden").await;
    tab.errors();
}

/// Signing out, and what an ended session is told.
pub(super) async fn leave(world: &World) {
    let tab = &world.tab;
    world.open("/api/docs").await;
    tab.shows("main", "/p/gateway/api/rate-limit/buckets").await;
    world.look("docs").await;
    world.open("/p/proxy/").await;
    tab.shows("#rules-table", "legacy").await;
    tab.value("fetch('/api/session', { method: 'DELETE' }).then(() => true)").await;
    tab.shows("#connection", "Sign in again").await;
    tab.errors();
    tab.click("#connection a").await;
    tab.shows("h1", "Sign in").await;
    tab.errors();
    world.sign_in().await;
    tab.shows("h1", "Proxy").await;
    tab.click("#sign-out").await;
    tab.until("it is the overview", "location.pathname === '/'").await;
    tab.shows("#more", "Sign in").await;
}
