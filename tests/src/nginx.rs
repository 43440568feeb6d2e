//! nginx, where it is installed, as a service that was not written here.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
};

use buntime_testing::eventually;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::skipped;

/// One nginx on a free loopback port; ended when dropped.
#[derive(Debug)]
pub struct Nginx {
    child: Child,
    address: SocketAddr,
    dir: TempDir,
}

impl Nginx {
    /// Starts one that serves `pages`, each a path without its first `/` and its text. `None` where there is no nginx:
    /// the test is skipped then.
    pub async fn start(pages: &[(&str, &str)]) -> Option<Self> {
        let places = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx", "/opt/homebrew/bin/nginx"];
        let Some(program) = places.into_iter().find(|place| Path::new(place).exists()) else {
            skipped("needs nginx; `cargo xtask setup` installs it");
            return None;
        };
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in pages {
            fs::write(dir.path().join(path), text).expect("a written page");
        }
        let address = free();
        fs::write(dir.path().join("nginx.conf"), config(dir.path(), address)).expect("a written file");
        let mut command = Command::new(program);
        command.arg("-p").arg(dir.path()).arg("-c").arg(dir.path().join("nginx.conf"));
        command.arg("-e").arg(dir.path().join("error.log"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let nginx = Self { child: command.spawn().expect("nginx starts"), address, dir };
        eventually("nginx answers", || async move { TcpStream::connect(address).await.is_ok() }).await;
        Some(nginx)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its directory, with the pages in it.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // In the foreground and with one process, so that nothing outlives it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free loopback port");
    listener.local_addr().expect("a bound listener has an address")
}

fn config(dir: &Path, address: SocketAddr) -> String {
    let dir = dir.display();
    format!(
        "daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;\n\
         events {{ worker_connections 256; }}\n\
         http {{\n access_log off; default_type text/plain; keepalive_timeout 10s;\n\
         client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;\n\
         uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;\n\
         server {{ listen {address}; root {dir};\n\
         location = /headers {{ return 200 \"$http_x_forwarded_for|$http_x_request_id|$http_host\"; }} }}\n}}\n"
    )
}
