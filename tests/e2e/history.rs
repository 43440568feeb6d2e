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

use buntime_database::{
    Adapter, args,
    postgres::{Options, Postgres},
    testing::{LibsqlServer, PostgresServer},
};
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
        others: Vec::new(),
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

fn on_postgres(server: &PostgresServer) -> Value {
    let mut config = config(0);
    let adapters = json!([{ "type": "postgres", "url": server.url(), "default": true }]);
    let plugins = config["plugins"].as_array_mut().unwrap();
    plugins.insert(0, json!(["@buntime/plugin-database", { "adapters": adapters }]));
    config
}

/// The PostgreSQL server is killed, or all connections to it are cut; the runner stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql_while_its_server_is_killed_and_connections_are_cut() {
    let Some(mut server) = PostgresServer::start().await else { return };
    let gateway = Gateway::start_in(tempfile::tempdir().unwrap(), on_postgres(&server), |_| {}).await;
    let load = load(gateway.addr());
    let (mut rng, until, mut kills) = (Rng::with_seed(load.seed), Instant::now() + load.lasts, 0);
    let chaos = async {
        while Instant::now() < until {
            tokio::time::sleep(pause(&mut rng)).await;
            kills += 1;
            if rng.bool() {
                server.crash();
                server.go_on().await;
                continue;
            }
            let Ok(other) = Postgres::open(Options::from_url(&server.url()).unwrap()).await else { continue };
            let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()";
            drop(other.query(cut, args![]).await);
            other.close().await;
        }
    };
    let ran = load.run(chaos).await;
    holds("PostgreSQL", &load, &ran, kills);
    gateway.stop().await;
}

/// Two runners on one PostgreSQL: clients ask both of them, and watch at the one what is written at the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_two_runners_with_one_postgresql_while_connections_are_cut() {
    let Some(server) = PostgresServer::start().await else { return };
    let first = Gateway::start_in(tempfile::tempdir().unwrap(), on_postgres(&server), |_| {}).await;
    let second = Gateway::start_in(tempfile::tempdir().unwrap(), on_postgres(&server), |_| {}).await;
    let mut load = load(first.addr());
    load.others.push(format!("http://{}/p/keyval", second.addr()));
    let (mut rng, until, mut kills) = (Rng::with_seed(load.seed), Instant::now() + load.lasts, 0);
    let chaos = async {
        let other = Postgres::open(Options::from_url(&server.url()).unwrap()).await.unwrap();
        while Instant::now() < until {
            tokio::time::sleep(pause(&mut rng)).await;
            kills += 1;
            // Of those that listen, or of any.
            let which = if rng.bool() { "query LIKE 'LISTEN %'" } else { "random() < 0.5" };
            let cut = format!(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND {which}"
            );
            drop(other.query(&cut, args![]).await);
        }
        other.close().await;
    };
    let ran = load.run(chaos).await;
    holds("two runners", &load, &ran, kills);
    first.stop().await;
    second.stop().await;
}

/// The same on one libSQL server, which cannot tell the one what the other commits: it is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_two_runners_with_one_libsql_while_its_server_is_killed() {
    let Some(mut server) = LibsqlServer::start().await else { return };
    let start = async || {
        let env = std::collections::BTreeMap::from([("LIBSQL_URL_0".to_owned(), server.url())]);
        let set = |options: &mut runner::Options| options.env = std::sync::Arc::new(env);
        Gateway::start_in(tempfile::tempdir().unwrap(), config(0), set).await
    };
    let (first, second) = (start().await, start().await);
    let mut load = load(first.addr());
    load.others.push(format!("http://{}/p/keyval", second.addr()));
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
    holds("two runners on libSQL", &load, &ran, kills);
    first.stop().await;
    second.stop().await;
}
