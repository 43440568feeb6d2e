//! The page: rate, errors and latency as they are now, drawn live; routes, upstreams and the process; and the analytics of
//! an hour, a day, a month.

use buntime_core::Exposure;
use buntime_ui::{File, PluginPage, parts};
use maud::{Markup, html};

/// The plugin's page. `analytics`: who may read them, if there are any.
pub(crate) fn page(analytics: Option<Exposure>) -> PluginPage {
    let files =
        [File::new("metrics.js", include_str!("metrics.js")), File::new("analytics.js", include_str!("analytics.js"))];
    let [module, more] = files;
    PluginPage::new("Metrics", module, move || content(analytics)).with_file(more).at(5)
}

fn content(analytics: Option<Exposure>) -> Markup {
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
        @if let Some(access) = analytics { (history(access)) }
    }
}

fn history(access: Exposure) -> Markup {
    let access = if access == Exposure::Public { "public" } else { "admin" };
    let figures = ["Requests", "4xx", "5xx", "On average", "Sent"];
    let columns = |first| [&[first][..], &figures].concat();
    parts::section(
        "analytics-card",
        "Analytics",
        &html! {
            div #analytics data-access=(access) {
                p #analytics-note.note.warn role="status" hidden {}
                div #analytics-shown {
                    div #analytics-windows.buttons role="group" aria-label="How far back" {
                        @for (value, name) in [("hour", "An hour"), ("day", "A day"), ("month", "A month")] {
                            button type="button" value=(value) aria-pressed=(value == "hour") { (name) }
                        }
                    }
                    h3 { "Together" }
                    (parts::stats(&[
                        ("analytics-requests", "Requests", "–"), ("analytics-4xx", "4xx", "–"), ("analytics-5xx", "5xx", "–"),
                        ("analytics-mean", "On average", "–"), ("analytics-sent", "Sent", "–"),
                    ]))
                    div.charts {
                        (parts::chart("chart-analytics", "Requests"))
                        (parts::chart("chart-analytics-time", "How long they took"))
                    }
                    h3 { "Top routes" }
                    (parts::table("analytics-routes", "Top routes", &columns("Route")))
                    h3 { "Top consumers" }
                    (parts::table("analytics-consumers", "Top consumers", &columns("Consumer")))
                    h3 { "Statuses" }
                    (parts::table("analytics-statuses", "Statuses", &["Status", "Requests"]))
                    h3 { "Errors" }
                    (parts::table("analytics-errors", "Errors", &["Error", "Status", "Requests", "Last seen"]))
                }
            }
        },
    )
}
