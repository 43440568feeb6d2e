//! Programs that end with the test.

use std::{
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::net::TcpStream;

/// A running program. When dropped it is told to end, at once and in order: it leaves no process behind.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    signal: &'static str,
}

impl Running {
    /// Starts it and waits until it listens. `signal` is what ends it, by name.
    pub(super) async fn start(command: &mut Command, address: SocketAddr, signal: &'static str) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut running = Self { child: child.expect("the program starts"), signal };
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{command:?} does not listen on {address}");
            let ended = running.child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "{command:?} ended: {ended:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let told = Command::new("kill").args([self.signal, &self.child.id().to_string()]).status();
        if !told.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// An address that nothing listens on.
pub(super) fn free() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free loopback port");
    listener.local_addr().expect("a bound listener has an address")
}
