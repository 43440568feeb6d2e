//! KeyVal under kill: what many clients were told, while servers are killed and come back, is what a store would have told
//! that does one thing after the other. See `buntime_tests::history`.
//!
//! Each runs for some seconds; `BUNTIME_HISTORY_SECONDS` makes it longer, and `BUNTIME_HISTORY_SEED` repeats a run.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use buntime_database::testing::LibsqlServer;
use buntime_tests::{
    Gateway, Process,
    history::{Load, Ran},
};
use fastrand::Rng;
use serde_json::{Value, json};

const TOKEN: &str = "a-long-and-random-text";

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn load(addr: std::net::SocketAddr) -> Load {
    Load {
        url: format!("http://{addr}/p/keyval"),
        token: TOKEN.to_owned(),
        clients: 12,
        watches: 4,
        lasts: Duration::from_secs(setting("BUNTIME_HISTORY_SECONDS").unwrap_or(8)),
        seed: setting("BUNTIME_HISTORY_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32)),
    }
}

/// Between one kill and the next.
fn pause(rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(200..1500))
}

fn holds(what: &str, load: &Load, ran: &Ran, kills: u32) {
    let said = match ran.check() {
        Ok(checked) => format!("{what}: {kills} kills, {checked:?}"),
        Err(complaint) => panic!("{what}, BUNTIME_HISTORY_SEED={}: {complaint}", load.seed),
    };
    // Whoever runs the tests is told, if anybody reads it.
    let _ = writeln!(std::io::stderr(), "{said}");
}

fn config(port: u16) -> Value {
    let settings = json!({ "accessTokens": [TOKEN], "keepAlive": "1s" });
    json!({ "server": { "host": "127.0.0.1", "port": port }, "plugins": [["@buntime/plugin-keyval", settings]] })
}

/// A port that nothing listens on: a server that comes back comes back there.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

async fn serve(dir: &Path) -> Option<Process> {
    Process::serve(dir, &[], &[]).await
}

/// The runner on its SQLite file is killed as by `kill -9`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_while_the_runner_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("buntime.jsonc"), config(free_port()).to_string()).unwrap();
    let Some(first) = serve(dir.path()).await else { return };
    let load = load(first.addr());
    let (mut rng, until, mut kills) = (Rng::with_seed(load.seed), Instant::now() + load.lasts, 0);
    let mut running = Some(first);
    let chaos = async {
        while Instant::now() < until {
            tokio::time::sleep(pause(&mut rng)).await;
            if let Some(process) = running.take() {
                process.kill().await;
            }
            kills += 1;
            running = serve(dir.path()).await;
        }
    };
    let ran = load.run(chaos).await;
    holds("SQLite", &load, &ran, kills);
    assert!(kills > 0);
}

/// The libSQL server is killed; the runner stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_libsql_while_its_server_is_killed() {
    let Some(mut server) = LibsqlServer::start().await else { return };
    let url = server.url();
    let gateway = Gateway::start_in(tempfile::tempdir().unwrap(), config(0), |options| {
        options.env = std::sync::Arc::new(std::collections::BTreeMap::from([("LIBSQL_URL_0".to_owned(), url)]));
    })
    .await;
    let load = load(gateway.addr());
    let (mut rng, until, mut kills) = (Rng::with_seed(load.seed), Instant::now() + load.lasts, 0);
    let chaos = async {
        while Instant::now() < until {
            tokio::time::sleep(pause(&mut rng)).await;
            server.crash();
            kills += 1;
            server.go_on().await;
        }
    };
    let ran = load.run(chaos).await;
    holds("libSQL", &load, &ran, kills);
    gateway.stop().await;
}
