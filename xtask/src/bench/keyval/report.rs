//! The figures and the budgets they are held against.

use std::fmt;

use super::{Counted, rest::Rest};
use crate::bench::report::{median, ratio};

/// The median round of one store, each column for itself.
#[derive(Clone, Debug)]
pub(super) struct Row {
    store: &'static str,
    call: String,
    clients: u32,
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    client_us: f64,
    server_us: Option<f64>,
}

impl Row {
    pub(super) fn median(store: &'static str, call: &str, clients: u32, rounds: &[Counted]) -> Self {
        let column = |pick: &dyn Fn(&Counted) -> f64| median(rounds.iter().map(pick).collect());
        let each = |of: f64, round: &Counted| ratio(of, round.calls as f64);
        let has_server = rounds.iter().all(|round| round.server_cpu_us.is_some());
        Self {
            store,
            call: call.to_owned(),
            clients,
            per_second: column(&|round| ratio(round.calls as f64, round.seconds)),
            p50_us: column(&|round| round.p50_us),
            p99_us: column(&|round| round.p99_us),
            client_us: column(&|round| each(round.client_cpu_us, round)),
            server_us: has_server.then(|| column(&|round| each(round.server_cpu_us.unwrap_or_default(), round))),
        }
    }
}

#[derive(Debug)]
struct Budget {
    what: String,
    limit: &'static str,
    measured: String,
    met: bool,
}

#[derive(Debug)]
pub(super) struct Report {
    rows: Vec<Row>,
    rest: Rest,
    budgets: Vec<Budget>,
}

impl Report {
    pub(super) fn new(rows: Vec<Row>, rest: Rest) -> Self {
        let mut budgets = against_denokv(&rows);
        let mut times = |what: &str, ours: f64, theirs: f64, limit: &'static str, least: f64| {
            let times = ratio(ours, theirs);
            budgets.push(Budget {
                what: what.to_owned(),
                limit,
                measured: format!("{times:.2} × ({ours:.0} and {theirs:.0} a second)"),
                met: times >= least,
            });
        };
        let what = "writes over REST, 64 clients, against SQLite with one commit each";
        times(what, rest.writes, rest.one_by_one, "≥ 20 ×", 20.0);
        times("reads over REST against a trivial route", rest.reads, rest.trivial, "≥ 0.7 ×", 0.7);
        Self { rows, rest, budgets }
    }

    /// How many budgets are missed.
    pub(super) fn missed(&self) -> usize {
        self.budgets.iter().filter(|budget| !budget.met).count()
    }
}

/// Not fewer calls a second than `denokv`, and at most half of its processor time for each.
fn against_denokv(rows: &[Row]) -> Vec<Budget> {
    let theirs = rows.iter().filter(|row| row.store == "denokv");
    let pairs = theirs.filter_map(|theirs| {
        let same = |row: &&Row| row.store == "buntime" && row.call == theirs.call && row.clients == theirs.clients;
        rows.iter().find(same).map(|ours| (ours, theirs))
    });
    pairs
        .flat_map(|(ours, theirs)| {
            let who = format!("{}, {} clients", ours.call, ours.clients);
            let rate = ratio(ours.per_second, theirs.per_second);
            let time = ours.server_us.zip(theirs.server_us).map_or(f64::NAN, |(ours, theirs)| ratio(ours, theirs));
            [
                Budget {
                    what: format!("{who}: calls/s against denokv"),
                    limit: "≥ 1 ×",
                    measured: format!("{rate:.2} ×"),
                    met: rate >= 1.0,
                },
                Budget {
                    what: format!("{who}: server time against denokv"),
                    limit: "≤ 0.5 ×",
                    measured: format!("{time:.2} ×"),
                    met: time <= 0.5,
                },
            ]
        })
        .collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| call | clients | store | calls/s | p50 µs | p99 µs | server µs a call | client µs a call |")?;
        writeln!(f, "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |")?;
        for Row { store, call, clients, per_second, p50_us, p99_us, client_us, server_us } in &self.rows {
            let server = server_us.map_or_else(|| "–".to_owned(), |us| format!("{us:.0}"));
            writeln!(
                f,
                "| {call} | {clients} | {store} | {per_second:.0} | {p50_us:.0} | {p99_us:.0} | {server} | {client_us:.0} |"
            )?;
        }
        let Rest { writes, one_by_one, reads, trivial } = self.rest;
        writeln!(f, "\nOver REST, a second: {writes:.0} writes (SQLite with one commit each: {one_by_one:.0}),")?;
        writeln!(f, "{reads:.0} reads (a trivial route: {trivial:.0})")?;
        writeln!(f, "\n| budget | limit | measured | |\n| --- | --- | --- | --- |")?;
        for Budget { what, limit, measured, met } in &self.budgets {
            writeln!(f, "| {what} | {limit} | {measured} | {} |", if *met { "met" } else { "MISSED" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(store: &'static str, calls: u64, server_cpu_us: Option<f64>) -> Row {
        let round = Counted { calls, seconds: 2.0, server_cpu_us, client_cpu_us: 1e6, ..Counted::default() };
        Row::median(store, "get", 32, &[round, round, Counted { calls: 1, ..round }])
    }

    #[test]
    fn budgets_are_held_against_denokv() {
        let rows = vec![row("Deno's file", 900, None), row("denokv", 100, Some(1e6)), row("buntime", 120, Some(5e5))];
        let rest = Rest { writes: 2500.0, one_by_one: 100.0, reads: 60.0, trivial: 100.0 };
        let report = Report::new(rows, rest);
        let text = report.to_string();
        assert_eq!(report.missed(), 1, "{text}");
        assert!(text.contains("| get, 32 clients: calls/s against denokv | ≥ 1 × | 1.20 × | met |"), "{text}");
        assert!(text.contains("| get, 32 clients: server time against denokv | ≤ 0.5 × | 0.42 × | met |"), "{text}");
        assert!(text.contains("| get | 32 | Deno's file | 450 |"), "{text}");
        assert!(text.contains("0.60 × (60 and 100 a second) | MISSED |"), "{text}");
    }
}
