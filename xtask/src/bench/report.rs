//! The figures, the budgets they are held against, and how both are shown.

use std::{fmt, fs, process::Command, time::Duration};

use serde::Serialize;

use super::wrk::Measured;
use crate::workspace::root;

const MB: f64 = 1024.0 * 1024.0;

/// The median round of one target at one concurrency, each column for itself.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    target: String,
    concurrency: u32,
    requests_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    /// Each round's requests per second, to see how they scatter.
    rounds: Vec<f64>,
}

impl Row {
    pub(super) fn median(target: &str, concurrency: u32, rounds: &[Measured]) -> Self {
        let column = |pick: fn(&Measured) -> f64| median(rounds.iter().map(pick).collect());
        Self {
            target: target.to_owned(),
            concurrency,
            requests_per_second: column(|round| round.per_second),
            p50_us: column(|round| round.p50_us),
            p99_us: column(|round| round.p99_us),
            rounds: rounds.iter().map(|round| round.per_second).collect(),
        }
    }
}

/// Resident memory, in bytes.
#[derive(Debug, Default, Serialize)]
pub(super) struct Memory {
    pub(super) rest: u64,
    /// When the first tenth of the requests is through and buffers have their size.
    pub(super) warm: u64,
    pub(super) loaded: u64,
    /// How many requests lie between `warm` and `loaded`.
    pub(super) requests: u64,
}

/// Configuration changes while requests ran.
#[derive(Debug, Default, Serialize)]
pub(super) struct Reload {
    pub(super) changes: u64,
    /// Changes that were seen to be in force.
    pub(super) seen: u64,
    pub(super) requests: u64,
    pub(super) failures: u64,
}

#[derive(Debug, Serialize)]
struct Budget {
    what: String,
    limit: String,
    measured: String,
    met: bool,
}

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    machine: Machine,
    round_seconds: u64,
    rounds: u64,
    access_log: bool,
    rows: Vec<Row>,
    start_to_first_answer_ms: Vec<f64>,
    memory: Memory,
    reload: Reload,
    budgets: Vec<Budget>,
}

#[derive(Debug, Serialize)]
struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    revision: String,
    nginx: String,
}

impl Report {
    pub(super) fn new(
        starts: Vec<f64>,
        rows: Vec<Row>,
        memory: Memory,
        reload: Reload,
        round: Duration,
        rounds: u64,
        access_log: bool,
    ) -> Self {
        let budgets = budgets(median(starts.clone()), &rows, &memory, &reload);
        let start_to_first_answer_ms = starts;
        let round_seconds = round.as_secs();
        let machine = Machine::this();
        Self { machine, round_seconds, rounds, access_log, rows, start_to_first_answer_ms, memory, reload, budgets }
    }

    /// How many budgets are missed.
    pub(super) fn missed(&self) -> usize {
        self.budgets.iter().filter(|budget| !budget.met).count()
    }
}

fn budgets(start: f64, rows: &[Row], memory: &Memory, reload: &Reload) -> Vec<Budget> {
    let budget = |what: &str, limit: &str, measured: String, met: bool| Budget {
        what: what.to_owned(),
        limit: limit.to_owned(),
        measured,
        met,
    };
    let mut budgets = Vec::new();
    if let (Some(ours), Some(nginx)) = (find(rows, "buntime", 50), find(rows, "nginx", 50)) {
        let rate = ratio(ours.requests_per_second, nginx.requests_per_second);
        let tail = ratio(ours.p99_us, nginx.p99_us);
        budgets.push(budget(
            "requests/s against nginx, 50 connections",
            "≥ 0.8 ×",
            format!("{rate:.2} ×"),
            rate >= 0.8,
        ));
        budgets.push(budget("p99 against nginx, 50 connections", "≤ 1.5 ×", format!("{tail:.2} ×"), tail <= 1.5));
    }
    let (rest, warm, loaded) = (memory.rest as f64 / MB, memory.warm as f64 / MB, memory.loaded as f64 / MB);
    budgets.push(budget("memory at rest", "< 40 MB", format!("{rest:.1} MB"), rest < 40.0));
    // Allocators keep some pages and not others: a leak of 8 bytes a request would show.
    let growth = format!("{warm:.1} → {loaded:.1} MB");
    budgets.push(budget(
        &format!("memory over {} requests", memory.requests),
        "no growth",
        growth,
        loaded - warm < 4.0,
    ));
    budgets.push(budget("start to first answer", "< 150 ms", format!("{start:.0} ms"), start < 150.0));
    let (changes, seen, failures) = (reload.changes, reload.seen, reload.failures);
    let words = format!("{failures} of {} ({seen} of {changes} changes seen)", reload.requests);
    budgets.push(budget(
        "failed requests while reloading",
        "0",
        words,
        failures == 0 && changes > 0 && seen == changes,
    ));
    budgets
}

fn find<'a>(rows: &'a [Row], target: &str, concurrency: u32) -> Option<&'a Row> {
    rows.iter().find(|row| row.target == target && row.concurrency == concurrency)
}

fn ratio(ours: f64, theirs: f64) -> f64 {
    if theirs > 0.0 { ours / theirs } else { f64::NAN }
}

/// The middle one; of an even number the lower of the two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

impl Machine {
    fn this() -> Self {
        let said = |program: &str, args: &[&str]| {
            let output = Command::new(program).args(args).current_dir(root()).output().ok()?;
            let text = [output.stdout, output.stderr].concat();
            Some(String::from_utf8_lossy(&text).trim().to_owned()).filter(|text| !text.is_empty())
        };
        let unknown = || "unknown".to_owned();
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
        let nginx = crate::setup::find("nginx").and_then(|nginx| said(&nginx.to_string_lossy(), &["-v"]));
        Self {
            processor: model.map_or_else(unknown, |(_, name)| name.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            kernel: said("uname", &["-sr"]).unwrap_or_else(unknown),
            revision: said("git", &["describe", "--always", "--dirty"]).unwrap_or_else(unknown),
            nginx: nginx.map_or_else(unknown, |version| version.replace("nginx version: ", "")),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { processor, cores, kernel, revision, nginx } = &self.machine;
        writeln!(f, "{processor}, {cores} cores, {kernel}; {nginx}; revision {revision}")?;
        writeln!(f, "1 KB answers, median of {} rounds of {} s\n", self.rounds, self.round_seconds)?;
        writeln!(f, "| connections | target | requests/s | × nginx | p50 µs | p99 µs | p99 × nginx |")?;
        writeln!(f, "| ---: | --- | ---: | ---: | ---: | ---: | ---: |")?;
        for row in &self.rows {
            let Row { target, concurrency, requests_per_second: rate, p50_us, p99_us, .. } = row;
            let nginx = find(&self.rows, "nginx", *concurrency);
            let rates = nginx.map_or(f64::NAN, |nginx| ratio(*rate, nginx.requests_per_second));
            let tails = nginx.map_or(f64::NAN, |nginx| ratio(*p99_us, nginx.p99_us));
            writeln!(
                f,
                "| {concurrency} | {target} | {rate:.0} | {rates:.2} | {p50_us:.0} | {p99_us:.0} | {tails:.2} |"
            )?;
        }
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

    fn report(ours: f64, failures: u64) -> Report {
        let row = |target: &str, per_second: f64| {
            let round = Measured { per_second, p50_us: 1.0, p99_us: 10.0, ..Measured::default() };
            Row::median(
                target,
                50,
                &[round, Measured { per_second: 1e9, ..round }, Measured { per_second: 0.0, ..round }],
            )
        };
        let rows = vec![row("direct", 200.0), row("nginx", 100.0), row("buntime", ours)];
        let memory = Memory { rest: 10 << 20, warm: 20 << 20, loaded: 21 << 20, requests: 1_000_000 };
        let reload = Reload { changes: 4, seen: 4, requests: 1000, failures };
        Report::new(vec![90.0, 10.0, 500.0], rows, memory, reload, Duration::from_secs(3), 3, false)
    }

    #[test]
    fn budgets_are_held() {
        let good = report(85.0, 0);
        assert_eq!(good.missed(), 0, "{good}");
        let text = good.to_string();
        assert!(text.contains("| 50 | buntime | 85 | 0.85 | 1 | 10 | 1.00 |"), "{text}");
        assert!(text.contains("| start to first answer | < 150 ms | 90 ms | met |"), "{text}");
    }

    #[test]
    fn misses_are_said() {
        let bad = report(79.0, 1);
        assert_eq!(bad.missed(), 2, "{bad}");
        assert!(bad.to_string().contains("| 0.79 × | MISSED |"), "{bad}");
    }
}
