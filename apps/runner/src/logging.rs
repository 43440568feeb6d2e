//! Where log lines go: to stdout, as text on a terminal and as JSON elsewhere. With the logs plugin compiled in they go
//! through its bus, which also keeps them to be queried; without it they are written here. The level follows reloads,
//! the format does not.

use buntime_config::model::{Log, LogFormat};
use tracing_subscriber::{EnvFilter, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt};

/// The process's logging, once installed.
#[derive(Clone)]
pub(crate) struct Logging(reload::Handle<EnvFilter, Registry>);

impl Logging {
    /// Installs it. `None` when the process has logging already: a program that embeds the runner, or a test.
    pub(crate) fn install(log: &Log) -> Option<Self> {
        let (first, mistake) = filter(log);
        let (filter, handle) = reload::Layer::new(first);
        let subscriber = tracing_subscriber::registry().with(filter);
        #[cfg(feature = "logs")]
        {
            let bus = plugin_logs::LogBus::global();
            subscriber.with(bus.layer()).try_init().ok()?;
            bus.write_to_stdout(match log.format {
                LogFormat::Auto => plugin_logs::Format::Auto,
                LogFormat::Pretty => plugin_logs::Format::Pretty,
                LogFormat::Json => plugin_logs::Format::Json,
            });
        }
        #[cfg(not(feature = "logs"))]
        {
            use std::io::IsTerminal;
            use tracing_subscriber::{Layer, fmt};
            let terminal = std::io::stdout().is_terminal();
            let json = match log.format {
                LogFormat::Auto => !terminal,
                LogFormat::Pretty => false,
                LogFormat::Json => true,
            };
            let lines = if json {
                fmt::layer().json().flatten_event(true).boxed()
            } else {
                fmt::layer().with_ansi(terminal).boxed()
            };
            subscriber.with(lines).try_init().ok()?;
        }
        complain(mistake);
        Some(Self(handle))
    }

    /// Takes over another level.
    pub(crate) fn apply(&self, log: &Log) {
        // An error means that the subscriber is gone, and with it everything that could be logged.
        let (filter, mistake) = filter(log);
        let _ = self.0.reload(filter);
        complain(mistake);
    }
}

/// `BUNTIME_LOG`, else the level; what is no filter counts as `info`, and is to be told.
fn filter(log: &Log) -> (EnvFilter, Option<String>) {
    match EnvFilter::try_new(log.directives()) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error.to_string())),
    }
}

fn complain(mistake: Option<String>) {
    if let Some(mistake) = mistake {
        tracing::warn!(
            "BUNTIME_LOG is no filter ({mistake}), so `info` is used; write for example `info,runner=debug`"
        );
    }
}

/// Waits a moment for what was logged to be written. For the end of the process.
pub(crate) fn flush() {
    #[cfg(feature = "logs")]
    plugin_logs::LogBus::global().flush_blocking(std::time::Duration::from_secs(1));
}

/// Panics become log lines: on stderr nobody would find them among JSON.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("(no text)");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked: {text}");
    }));
}
