//! The real binary: starting, stopping, signals, what cannot start.

use std::{path::Path, process::Stdio, time::Duration};

use buntime_testing::eventually;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    time::timeout,
};

pub(crate) fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
    command.current_dir(dir).env_clear().env("PORT", "0").kill_on_drop(true).stdin(Stdio::null());
    command
}

struct Process {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Process {
    async fn start(dir: &Path) -> Self {
        let mut child = command(dir).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = loop {
            let line = timeout(Duration::from_secs(20), out.next_line()).await.unwrap().unwrap().expect("it ended");
            if let Some(url) = line.strip_prefix("listening on http://127.0.0.1:") {
                break url.parse().unwrap();
            }
        };
        Self { child, out, port }
    }

    fn tell(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    async fn ended(mut self) -> i32 {
        let drained = async { while let Ok(Some(_)) = self.out.next_line().await {} };
        let (status, ()) =
            timeout(Duration::from_secs(20), async { tokio::join!(self.child.wait(), drained) }).await.unwrap();
        status.unwrap().code().unwrap()
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = self.connect().await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }
}

fn dir(config: &serde_json::Value) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("buntime.jsonc"), config.to_string()).unwrap();
    dir
}

#[tokio::test]
async fn signals_stop_it_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let dir = dir(&json!({ "plugins": ["metrics", "logs"] }));
        let process = Process::start(dir.path()).await;
        assert!(process.get("/readyz").await.starts_with("HTTP/1.1 200"));
        process.tell(signal);
        assert_eq!(process.ended().await, 0);
    }
}

#[tokio::test]
async fn a_running_exchange_may_finish_while_it_drains() {
    let dir = dir(&json!({ "plugins": [], "server": { "shutdownGrace": "20s" } }));
    let process = Process::start(dir.path()).await;
    // The head is there before it drains, and may not have been read; the body comes after.
    let mut stream = process.connect().await;
    let head =
        "PUT /api/plugins/x HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    process.tell(Signal::TERM);
    let gone = async || TcpStream::connect(("127.0.0.1", process.port)).await.is_err();
    eventually("no new connections", gone).await;
    stream.write_all(b"{}").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 404"), "{text}");
    assert_eq!(process.ended().await, 0);
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let dir = dir(&json!({ "plugins": [], "server": { "shutdownGrace": "1h", "headerTimeout": "1h" } }));
    let process = Process::start(dir.path()).await;
    let mut held = process.connect().await;
    held.write_all(b"PUT /api/plugins/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n").await.unwrap();
    process.tell(Signal::TERM);
    let gone = async || TcpStream::connect(("127.0.0.1", process.port)).await.is_err();
    eventually("it drains", gone).await;
    process.tell(Signal::INT);
    assert_eq!(process.ended().await, 130);
    drop(held);
}

#[tokio::test]
async fn a_hang_up_reloads() {
    let dir = dir(&json!({ "plugins": [] }));
    let process = Process::start(dir.path()).await;
    std::fs::write(dir.path().join("buntime.jsonc"), json!({ "plugins": ["health"] }).to_string()).unwrap();
    process.tell(Signal::HUP);
    eventually("the plugin", async || process.get("/p/health/api/live").await.starts_with("HTTP/1.1 200")).await;
    process.tell(Signal::TERM);
    assert_eq!(process.ended().await, 0);
}

async fn refused(command: &mut Command) -> String {
    let ran = timeout(Duration::from_secs(20), command.output()).await.expect("nothing is left running").unwrap();
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{told}");
    assert!(!String::from_utf8_lossy(&ran.stdout).contains("listening"), "{told}");
    told
}

#[tokio::test]
async fn a_port_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = dir(&json!({}));
    let told = refused(command(dir.path()).env("PORT", &port)).await;
    assert!(told.contains(&format!("port {port} on 127.0.0.1 is in use")) && told.contains("PORT"), "{told}");
}

#[tokio::test]
async fn a_data_directory_below_a_file() {
    let dir = dir(&json!({ "dataDir": "./file/data" }));
    std::fs::write(dir.path().join("file"), "").unwrap();
    let told = refused(&mut command(dir.path())).await;
    assert!(told.contains("dataDir") && told.contains("file"), "{told}");
}

#[tokio::test]
async fn a_key_of_another_certificate() {
    let dir = dir(&json!({ "server": { "tls": { "cert": "cert.pem", "key": "key.pem" } } }));
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(dir.path().join("cert.pem"), made().cert.pem()).unwrap();
    std::fs::write(dir.path().join("key.pem"), made().signing_key.serialize_pem()).unwrap();
    let told = refused(&mut command(dir.path())).await;
    assert!(told.contains("does not belong to the certificate"), "{told}");
    let told = refused(command(dir.path()).arg("check")).await;
    assert!(told.contains("does not belong to the certificate") && told.contains("buntime.jsonc:1:"), "{told}");
}
