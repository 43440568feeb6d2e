//! The figures, the budgets they are held against, and how both are shown.

use std::{fmt, fs, process::Command, time::Duration};

use serde::Serialize;

use super::{gateway::Policies, wrk::Measured};
use crate::workspace::root;

const MB: f64 = 1024.0 * 1024.0;

/// What is compared with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Scenario {
    /// One upstream; ours by a proxy rule.
    One,
    /// The same three upstreams in turn; ours by a service.
    Balanced,
    /// Ours alone, with few routes and with many.
    Routes,
    /// Ours alone, with more and more before the upstream.
    Policies,
    /// Answers from what is stored.
    Cache,
}

impl Scenario {
    fn words(self) -> &'static str {
        match self {
            Self::One => "one upstream",
            Self::Balanced => "balanced over three",
            Self::Routes => "overlapping routes",
            Self::Policies => "one service behind",
            Self::Cache => "cache hits",
        }
    }
}

/// The median round of one target at one concurrency, each column for itself.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    scenario: Scenario,
    target: String,
    concurrency: u32,
    requests_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    /// Each round's requests per second, to see how they scatter.
    rounds: Vec<f64>,
}

impl Row {
    pub(super) fn median(scenario: Scenario, target: &str, concurrency: u32, rounds: &[Measured]) -> Self {
        let column = |pick: fn(&Measured) -> f64| median(rounds.iter().map(pick).collect());
        Self {
            scenario,
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
    haproxy: String,
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

    /// The runner was built elsewhere: this checkout's revision says nothing of it.
    pub(super) fn of_given_runner(&mut self) {
        "unknown (the runner was given)".clone_into(&mut self.machine.revision);
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
    let of = |scenario, target| find(rows, scenario, target, 50);
    if let (Some(ours), Some(nginx)) = (of(Scenario::One, "buntime"), of(Scenario::One, "nginx")) {
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
    if let (Some(ours), Some(best)) = (of(Scenario::Balanced, "buntime"), Best::of(rows, Scenario::Balanced, 50)) {
        let rate = ratio(ours.requests_per_second, best.requests_per_second);
        let what = "balanced requests/s against the better of nginx and HAProxy, 50 connections";
        budgets.push(budget(what, "≥ 0.8 ×", format!("{rate:.2} ×"), rate >= 0.8));
    }
    if let (Some(few), Some(many)) = (of(Scenario::Routes, "10 routes"), of(Scenario::Routes, "10,000 routes")) {
        let rate = ratio(many.requests_per_second, few.requests_per_second);
        // As fast, within what rounds differ by.
        budgets.push(budget("10,000 routes against 10", "≥ 0.95 ×", format!("{rate:.2} ×"), rate >= 0.95));
    }
    if let (Some(ours), Some(nginx)) = (of(Scenario::Cache, "buntime"), of(Scenario::Cache, "nginx")) {
        let rate = ratio(ours.requests_per_second, nginx.requests_per_second);
        budgets.push(budget("cache hits/s against nginx proxy_cache", "≥ 0.8 ×", format!("{rate:.2} ×"), rate >= 0.8));
    }
    budgets.extend(policies(rows));
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

/// What a limit and a governed chain cost.
fn policies(rows: &[Row]) -> Vec<Budget> {
    let of = |policies: Policies, concurrency| find(rows, Scenario::Policies, policies.words(), concurrency);
    let mut budgets = Vec::new();
    let mut costs = |what: &str, without: &Row, with: &Row, most: f64| {
        let cost = 1.0 - ratio(with.requests_per_second, without.requests_per_second);
        budgets.push(Budget {
            what: format!("{what}: of the requests/s, 50 connections"),
            limit: format!("< {:.0} %", most * 100.0),
            measured: format!("{:.1} %", cost * 100.0),
            met: cost < most,
        });
    };
    if let (Some(without), Some(with)) = (of(Policies::Usual, 50), of(Policies::Limit, 50)) {
        costs("a limit", without, with, 0.05);
    }
    if let (Some(without), Some(with)) = (of(Policies::Nothing, 50), of(Policies::Governed, 50)) {
        costs("the governed chain", without, with, 0.25);
    }
    if let (Some(without), Some(with)) = (of(Policies::Nothing, 1), of(Policies::Governed, 1)) {
        let more = with.p50_us - without.p50_us;
        budgets.push(Budget {
            what: "the governed chain: more at p50, 1 connection".to_owned(),
            limit: "< 25 µs".to_owned(),
            measured: format!("{more:.0} µs"),
            met: more < 25.0,
        });
    }
    budgets
}

fn find<'a>(rows: &'a [Row], scenario: Scenario, target: &str, concurrency: u32) -> Option<&'a Row> {
    let mut same = rows.iter().filter(|row| row.scenario == scenario && row.concurrency == concurrency);
    same.find(|row| row.target == target)
}

/// The better of the baselines, in each column.
struct Best {
    requests_per_second: f64,
    p99_us: f64,
}

impl Best {
    fn of(rows: &[Row], scenario: Scenario, concurrency: u32) -> Option<Self> {
        let baselines = ["nginx", "haproxy"].iter().filter_map(|name| find(rows, scenario, name, concurrency));
        let each = baselines.map(|row| Self { requests_per_second: row.requests_per_second, p99_us: row.p99_us });
        each.reduce(|one, other| Self {
            requests_per_second: one.requests_per_second.max(other.requests_per_second),
            p99_us: one.p99_us.min(other.p99_us),
        })
    }
}

pub(super) fn ratio(ours: f64, theirs: f64) -> f64 {
    if theirs > 0.0 { ours / theirs } else { f64::NAN }
}

/// The middle one; of an even number the lower of the two.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
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
        let version = |program: &str| {
            let said = crate::setup::find(program).and_then(|found| said(&found.to_string_lossy(), &["-v"]));
            said.and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or_else(unknown)
        };
        let (nginx, haproxy) = (version("nginx"), version("haproxy"));
        Self {
            processor: model.map_or_else(unknown, |(_, name)| name.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            kernel: said("uname", &["-sr"]).unwrap_or_else(unknown),
            revision: said("git", &["describe", "--always", "--dirty"]).unwrap_or_else(unknown),
            nginx: nginx.replace("nginx version: ", ""),
            // `HAProxy version 2.6.12-1 2023/12/16 - https://haproxy.org/`
            haproxy: haproxy.split(" 20").next().unwrap_or(&haproxy).replace(" version ", "/"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { processor, cores, kernel, revision, nginx, haproxy } = &self.machine;
        writeln!(f, "{processor}, {cores} cores, {kernel}; {nginx}; {haproxy}; revision {revision}")?;
        writeln!(f, "1 KB answers, median of {} rounds of {} s; ×: of the better of", self.rounds, self.round_seconds)?;
        writeln!(f, "nginx and HAProxy in the same scenario\n")?;
        writeln!(f, "| scenario | connections | target | requests/s | × better | p50 µs | p99 µs | p99 × better |")?;
        writeln!(f, "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |")?;
        for row in &self.rows {
            let Row { scenario, target, concurrency, requests_per_second: rate, p50_us, p99_us, .. } = row;
            let best = Best::of(&self.rows, *scenario, *concurrency);
            let against = |ours: f64, theirs: fn(&Best) -> f64| {
                best.as_ref().map_or_else(|| "–".to_owned(), |best| format!("{:.2}", ratio(ours, theirs(best))))
            };
            let rates = against(*rate, |best| best.requests_per_second);
            let tails = against(*p99_us, |best| best.p99_us);
            let words = scenario.words();
            writeln!(
                f,
                "| {words} | {concurrency} | {target} | {rate:.0} | {rates} | {p50_us:.0} | {p99_us:.0} | {tails} |"
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
        let row = |scenario, target: &str, per_second: f64| {
            let round = Measured { per_second, p50_us: 1.0, p99_us: 10.0, ..Measured::default() };
            let rounds = [round, Measured { per_second: 1e9, ..round }, Measured { per_second: 0.0, ..round }];
            Row::median(scenario, target, 50, &rounds)
        };
        let rows = vec![
            row(Scenario::One, "direct", 200.0),
            row(Scenario::One, "nginx", 100.0),
            row(Scenario::One, "haproxy", 80.0),
            row(Scenario::One, "buntime", ours),
            row(Scenario::Balanced, "nginx", 90.0),
            row(Scenario::Balanced, "haproxy", 100.0),
            row(Scenario::Balanced, "buntime", ours),
            row(Scenario::Routes, "10 routes", 100.0),
            row(Scenario::Routes, "10,000 routes", ours + 15.0),
            row(Scenario::Policies, Policies::Usual.words(), 100.0),
            row(Scenario::Policies, Policies::Limit.words(), ours + 12.0),
            row(Scenario::Policies, Policies::Nothing.words(), 110.0),
            row(Scenario::Policies, Policies::Governed.words(), ours),
            row(Scenario::Cache, "nginx", 100.0),
            row(Scenario::Cache, "buntime", ours),
        ];
        let memory = Memory { rest: 10 << 20, warm: 20 << 20, loaded: 21 << 20, requests: 1_000_000 };
        let reload = Reload { changes: 4, seen: 4, requests: 1000, failures };
        Report::new(vec![90.0, 10.0, 500.0], rows, memory, reload, Duration::from_secs(3), 3, false)
    }

    #[test]
    fn budgets_are_held() {
        let good = report(85.0, 0);
        assert_eq!(good.missed(), 0, "{good}");
        let text = good.to_string();
        assert!(text.contains("| one upstream | 50 | buntime | 85 | 0.85 | 1 | 10 | 1.00 |"), "{text}");
        assert!(text.contains("| overlapping routes | 50 | 10 routes | 100 | – | 1 | 10 | – |"), "{text}");
        assert!(text.contains("| start to first answer | < 150 ms | 90 ms | met |"), "{text}");
    }

    #[test]
    fn misses_are_said() {
        let bad = report(79.0, 1);
        // Both scenarios, the routes, the limit, the governed chain, the cache, and the reload.
        assert_eq!(bad.missed(), 7, "{bad}");
        assert!(bad.to_string().contains("| 0.79 × | MISSED |"), "{bad}");
    }
}
