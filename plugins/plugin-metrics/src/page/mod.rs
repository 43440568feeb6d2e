//! The page: rate, errors and latency as they are now, drawn live; routes, upstreams and the process.

use buntime_ui::{File, PluginPage, parts};
use maud::{Markup, html};

/// The plugin's page.
pub(crate) fn page() -> PluginPage {
    PluginPage::new("Metrics", File::new("metrics.js", include_str!("metrics.js")), content).at(5)
}

fn content() -> Markup {
    html! {
        (parts::stats(&[
            ("stat-rate", "Requests a second", "–"), ("stat-errors", "Server errors", "–"), ("stat-p95", "95 in 100 within", "–"),
            ("stat-flight", "Under way", "–"), ("stat-total", "Requests", "–"), ("stat-memory", "Memory", "–"),
            ("stat-cpu", "CPU", "–"), ("stat-uptime", "Runs for", "–"),
        ]))
        div.charts {
            (parts::chart("chart-rate", "Requests a second"))
            (parts::chart("chart-latency", "Latency"))
            (parts::chart("chart-errors", "Answered with an error, in 100"))
            (parts::chart("chart-process", "CPU, in 100 of one core"))
        }
        (parts::section("routes", "Routes", &html! {
            p.quiet { "Since the start. Latencies are estimated within their buckets." }
            (parts::table("routes-table", "Routes", &["Route", "Requests", "4xx", "5xx", "Half within", "95 in 100", "99 in 100", "Sent"]))
        }))
        (parts::section("upstreams", "Upstreams", &html! {
            (parts::table("upstreams-table", "Upstreams", &["Upstream", "Requests", "Retries", "Waiting", "Targets"]))
        }))
    }
}
