//! The command line: serving, and what helps to write a configuration.

use std::{
    ffi::{OsStr, OsString},
    fmt::Display,
    fs::OpenOptions,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use buntime_config::{Diagnostics, ProcessEnv, Severity, Source, schema, starter};
use buntime_ssrf::{Class, Guard, classify};
use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

use crate::{
    catalog::{self, Known},
    explain::Asked,
    keeper::Origin,
    logging, program,
    signals::{Signals, Told},
    start::{Options, Running, StartError, explain_alone, start},
};

/// A gateway in which everything is a plugin. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "runner", version, about, disable_help_subcommand = true)]
pub struct Cli {
    /// The configuration file.
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        help = "The configuration file [default: $BUNTIME_CONFIG, ./buntime.jsonc, ./config/buntime.jsonc]"
    )]
    config: Option<PathBuf>,
    /// Adds a plugin to those of the configuration; may be given several times
    #[arg(long = "plugin", value_name = "NAME", global = true)]
    plugins: Vec<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Says everything that is wrong with a configuration, and starts nothing
    Check {
        /// The file; the one that would be served if left out
        file: Option<PathBuf>,
    },
    /// Says what would happen to a request and why, as JSON, without a server
    Explain {
        /// The path, perhaps with a query
        path: String,
        /// The method
        #[arg(long, default_value = "GET")]
        method: String,
        /// The host
        #[arg(long, default_value = "localhost")]
        host: String,
        /// The name of a consumer; nobody known if left out
        #[arg(long)]
        consumer: Option<String>,
    },
    /// Says whether the outbound guard lets plugins call a URL that a request names, and why
    Url {
        /// The URL, as text: what cannot be read is blocked
        #[arg(allow_hyphen_values = true)]
        url: OsString,
        /// Judges what is written alone, without asking what the name resolves to
        #[arg(long)]
        no_resolve: bool,
    },
    /// Prints the JSON schema of the configuration file
    Schema,
    /// Writes a commented configuration file to start from
    Init {
        /// Where to; never overwrites a file
        #[arg(default_value = "buntime.jsonc")]
        path: PathBuf,
    },
}

/// Does what the command line says.
pub fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        None => serve(cli.config.as_deref(), cli.plugins),
        Some(Command::Check { file }) => check(file.or(cli.config).as_deref(), cli.plugins),
        Some(Command::Explain { path, method, host, consumer }) => {
            let asked = Asked { method: Some(method), host: Some(host), path: Some(path), consumer };
            explain_request(cli.config.as_deref(), cli.plugins, &asked)
        }
        Some(Command::Url { url, no_resolve }) => judge_url(cli.config.as_deref(), cli.plugins, &url, !no_resolve),
        Some(Command::Schema) => print_schema(),
        Some(Command::Init { path }) => init(&path),
    };
    outcome.unwrap_or_else(|message| {
        // Nobody is left to be told if stderr is closed.
        let _ = writeln!(io::stderr(), "{}", message.trim_end());
        ExitCode::FAILURE
    })
}

type Outcome = Result<ExitCode, String>;

fn runtime() -> Result<Runtime, String> {
    // The home of plugins, timers and signals; requests have threads of their own.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("home")
        .enable_all()
        .build()
        .map_err(|error| format!("error: cannot start threads: {error}"))
}

fn render(problems: &Diagnostics, to_terminal: bool) -> String {
    problems.render(to_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
}

fn serve(config: Option<&Path>, plugins: Vec<String>) -> Outcome {
    logging::log_panics();
    let source = Source::find(config, &ProcessEnv, Path::new(""));
    let options = Options { plugins, logging: true, ..Options::new(source) };
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        // Before anything is started: a signal during the start must not be lost.
        let mut signals = Signals::listen().map_err(|error| format!("error: cannot listen for signals: {error}"))?;
        let running = tokio::select! {
            started = start(options) => started.map_err(explain)?,
            () = signals.stop() => return Ok(ExitCode::SUCCESS),
        };
        announce(&running);
        live(running, signals).await
    });
    logging::flush();
    // What a plugin left running on the home runtime is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

fn explain(error: StartError) -> String {
    match error {
        StartError::Config(problems) => render(&problems, io::stderr().is_terminal()),
        other => format!("error: {other}"),
    }
}

/// One plain line, whatever the format of logs: programs wait for it to learn the port.
fn announce(running: &Running) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "listening on {}", running.url());
    let _ = out.flush();
}

async fn live(mut running: Running, mut signals: Signals) -> Outcome {
    loop {
        tokio::select! {
            told = signals.next() => match told {
                Told::Stop => break,
                // What is wrong with the file is in the log.
                Told::Reload => drop(running.reload("SIGHUP").await),
            },
            error = running.failed() => {
                running.stop().await;
                return Err(format!("error: the server failed: {error}"));
            }
        }
    }
    tracing::info!("stopping: running exchanges may finish, a second signal ends at once");
    tokio::select! {
        () = running.stop() => {}
        () = signals.stop() => {
            tracing::warn!("stopped at once by a second signal");
            return Ok(ExitCode::from(130));
        }
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn check(file: Option<&Path>, plugins: Vec<String>) -> Outcome {
    let source = Source::find(file, &ProcessEnv, Path::new(""));
    let origin = Origin { source, env: std::sync::Arc::new(ProcessEnv), plugins, catalog: catalog::builtin() };
    let terminal = io::stderr().is_terminal();
    let loaded = origin.load().map_err(|problems| render(&problems, terminal))?;
    let found = runtime()?.block_on(program::preflight(
        &loaded,
        &origin.catalog,
        &program::program(&loaded.config, &loaded.config.plugins, &origin.catalog),
        &*origin.env,
    ));
    let found = loaded.diagnostics(found);
    let told: String = [&loaded.warnings, &found]
        .into_iter()
        .filter(|list| !list.is_empty())
        .map(|list| render(list, terminal))
        .collect();
    if found.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(told);
    }
    let _ = write!(io::stderr(), "{told}");
    let name =
        loaded.file.as_ref().map_or_else(|| "the built-in defaults".to_owned(), |file| file.display().to_string());
    print(&format!("{name}: fine\n"))
}

fn explain_request(config: Option<&Path>, plugins: Vec<String>, asked: &Asked) -> Outcome {
    let source = Source::find(config, &ProcessEnv, Path::new(""));
    let origin = Origin { source, env: std::sync::Arc::new(ProcessEnv), plugins, catalog: catalog::builtin() };
    let runtime = runtime()?;
    let explained = runtime.block_on(explain_alone(&origin, asked)).map_err(explain)?;
    runtime.shutdown_timeout(Duration::from_millis(100));
    print(&format!("{explained:#}\n"))
}

/// By the rules of the configuration that would be served.
fn judge_url(config: Option<&Path>, plugins: Vec<String>, url: &OsStr, resolve: bool) -> Outcome {
    let Some(url) = url.to_str() else { return blocked("it cannot be read as a URL: it is no UTF-8") };
    let source = Source::find(config, &ProcessEnv, Path::new(""));
    let origin = Origin { source, env: std::sync::Arc::new(ProcessEnv), plugins, catalog: catalog::builtin() };
    let guard = match origin.load() {
        Ok(loaded) => Guard::new(loaded.config.outbound),
        Err(problems) => {
            let _ = write!(io::stderr(), "{}", render(&problems, io::stderr().is_terminal()));
            return blocked("the configuration, which may list addresses, cannot be read");
        }
    };
    if !resolve {
        return match guard.judge(url) {
            Ok(target) => print(&format!("allowed: {}, as it is written\n", target.url())),
            Err(refused) => blocked(refused),
        };
    }
    let runtime = runtime()?;
    let checked = runtime.block_on(guard.check(url));
    // A resolver that hangs is not waited for.
    runtime.shutdown_background();
    match checked {
        Ok(pinned) => {
            let (target, addresses) = (pinned.target(), pinned.addresses());
            let addresses: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
            let is_public = pinned.addresses().iter().all(|address| classify(address.ip()) == Class::Public);
            let why = if is_public { "in public" } else { "as `outbound` allows" };
            print(&format!("allowed: {} is at {}, {why}\n", target.url(), addresses.join(", ")))
        }
        Err(refused) => blocked(refused),
    }
}

fn blocked(why: impl Display) -> Outcome {
    print(&format!("blocked: {why}\n"))?;
    Ok(ExitCode::FAILURE)
}

fn print_schema() -> Outcome {
    let schema = serde_json::to_string_pretty(&schema(&Known(&catalog::builtin())));
    print(&(schema.map_err(|error| format!("error: {error}"))? + "\n"))
}

fn print(text: &str) -> Outcome {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Who reads it has seen enough: `runner schema | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => written.map(|()| ExitCode::SUCCESS).map_err(|error| format!("error: cannot write: {error}")),
    }
}

fn init(path: &Path) -> Outcome {
    let path = if path.is_dir() { path.join("buntime.jsonc") } else { path.to_owned() };
    let shown = path.display();
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("error: {shown} is there already and is not overwritten; name another file")
        }
        io::ErrorKind::NotFound => format!("error: cannot write {shown}: its directory does not exist; make it first"),
        _ => format!("error: cannot write {shown}: {error}"),
    })?;
    file.write_all(starter().as_bytes()).map_err(|error| format!("error: cannot write {shown}: {error}"))?;
    print(&format!("wrote {shown}; `runner --config {shown}` serves it\n"))
}
