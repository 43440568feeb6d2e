//! Lines on stdout, from a thread of their own: what a slow or stopped reader cannot take is lost and counted, and
//! nothing else ever waits for it.

use std::{
    fmt,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    bus::Done,
    entry::{Entry, Level, What},
};

/// Batches that may wait for stdout; each has at most one batch of the collector's lines.
const QUEUE: usize = 64;

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Pretty on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Hands lines to the thread that writes them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: SyncSender<Job>,
    dropped: Arc<AtomicU64>,
    look: Look,
}

#[derive(Clone, Copy, Debug)]
enum Look {
    Pretty { colours: bool },
    Json,
}

enum Job {
    Lines(Vec<u8>),
    Flush(Done),
}

impl Writer {
    /// `None` when no thread can be made.
    pub(crate) fn start(format: Format, to: impl Write + Send + 'static, terminal: bool) -> Option<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        let pretty = format == Format::Pretty || (format == Format::Auto && terminal);
        let look = if pretty { Look::Pretty { colours: terminal } } else { Look::Json };
        let thread = std::thread::Builder::new().name("stdout".to_owned());
        thread.spawn(move || write_all(&jobs, to)).ok()?;
        Some(Self { queue, dropped: Arc::default(), look })
    }

    /// Lines that were lost.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Formats the entries and hands them over. Called on the collector's thread.
    pub(crate) fn write<'a>(&self, entries: impl Iterator<Item = &'a Entry>) {
        let mut lines = Vec::new();
        let mut count = 0;
        for entry in entries {
            self.look.line(entry, &mut lines);
            count += 1;
        }
        if count > 0 && self.queue.try_send(Job::Lines(lines)).is_err() {
            self.dropped.fetch_add(count, Relaxed);
        }
    }

    /// Calls `done` when everything before it is written; drops it when the queue is full.
    pub(crate) fn flush(&self, done: Done) {
        // Dropping it tells the waiting side too.
        drop(self.queue.try_send(Job::Flush(done)));
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("look", &self.look).finish_non_exhaustive()
    }
}

fn write_all(jobs: &Receiver<Job>, mut to: impl Write) {
    for job in jobs {
        match job {
            // A reader that has gone away is no reason to end: the ring and the other sinks go on.
            Job::Lines(lines) => drop(to.write_all(&lines).and_then(|()| to.flush())),
            Job::Flush(done) => done(),
        }
    }
}

impl Look {
    fn line(self, entry: &Entry, out: &mut Vec<u8>) {
        match self {
            Self::Json => {
                let before = out.len();
                if serde_json::to_writer(&mut *out, entry).is_err() {
                    out.truncate(before);
                }
            }
            Self::Pretty { colours } => out.extend_from_slice(pretty(entry, colours).as_bytes()),
        }
        out.push(b'\n');
    }
}

fn pretty(entry: &Entry, colours: bool) -> String {
    use fmt::Write;
    let (dim, strong, plain) = if colours { ("\x1b[2m", colour(entry.level), "\x1b[0m") } else { ("", "", "") };
    let mut line = String::with_capacity(160);
    let time = entry.timestamp();
    let time = time.get(11..23).unwrap_or(&time);
    let who = entry.plugin.as_deref().unwrap_or_else(|| entry.source());
    let level = entry.level.as_str().to_ascii_uppercase();
    // Writing to a `String` does not fail.
    let _ = write!(line, "{dim}{time}{plain} {strong}{level:<5}{plain} {dim}{who}{plain} ");
    safe(&entry.message(), &mut line);
    match &entry.what {
        What::Access(access) => {
            let _ = write!(line, " {dim}{} out{plain}", access.bytes_out);
        }
        What::Event { meta, .. } => {
            for (name, value) in meta {
                let _ = write!(line, " {dim}{name}={plain}");
                match value.as_str() {
                    Some(text) => safe(text, &mut line),
                    None => safe(&value.to_string(), &mut line),
                }
            }
        }
    }
    if let Some(id) = &entry.request_id {
        let _ = write!(line, " {dim}request=");
        safe(id, &mut line);
        line.push_str(plain);
    }
    line
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::Trace => "\x1b[35m",
        Level::Debug => "\x1b[34m",
        Level::Info => "\x1b[32m",
        Level::Warn => "\x1b[33m",
        Level::Error => "\x1b[31m",
    }
}

/// What others wrote must not pass for lines of ours or steer the terminal.
fn safe(text: &str, line: &mut String) {
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\n    "),
            '\t' => line.push('\t'),
            c if c.is_control() => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bus::LogBus, record::Record};
    use std::{
        sync::{Mutex, mpsc},
        time::{Duration, SystemTime},
    };

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn record(message: &str) -> Record {
        Record {
            time: SystemTime::UNIX_EPOCH,
            level: Level::Info,
            plugin: Some("proxy".into()),
            request_id: Some("r-1".into()),
            source: "test".into(),
            message: message.to_owned(),
            meta: serde_json::Map::from_iter([("tries".to_owned(), 3.into())]),
        }
    }

    fn written(format: Format, terminal: bool) -> String {
        let (bus, page) = (LogBus::new(), Page::default());
        bus.write_to(format, page.clone(), terminal);
        bus.add(record("two\nlines \x1b[31m"));
        bus.flush_blocking(Duration::from_secs(10));
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lines_are_for_people_or_for_machines() {
        assert_eq!(
            written(Format::Pretty, false),
            "00:00:00.000 INFO  proxy two\n    lines \\u{1b}[31m tries=3 request=r-1\n"
        );
        assert!(written(Format::Auto, true).starts_with("\x1b[2m00:00:00.000\x1b[0m \x1b[32mINFO "));
        let json: serde_json::Value = serde_json::from_str(&written(Format::Auto, false)).unwrap();
        assert_eq!(json["message"], "two\nlines \u{1b}[31m");
        assert_eq!((json["plugin"].as_str(), json["meta"]["tries"].as_u64()), (Some("proxy"), Some(3)));
    }

    /// Stdout that takes nothing until it is told to.
    struct Stuck(mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            // An error means that the test is over.
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_stopped_reader_stops_nothing_else() {
        let (go_on, told) = mpsc::channel();
        let bus = LogBus::new();
        bus.write_to(Format::Json, Stuck(told), false);
        let mut added = 0;
        while bus.stats().stdout_dropped == 0 {
            bus.add(record("x"));
            bus.flush().await;
            added += 1;
            assert!(added < 10_000, "nothing is ever lost");
        }
        assert_eq!(bus.stats().dropped, 0, "the ring has them all");
        drop(go_on);
    }
}
