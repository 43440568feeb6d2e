//! A client that sends bytes as they are.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::PATIENCE;

/// One connection.
#[derive(Debug)]
pub struct Raw(pub TcpStream);

impl Raw {
    /// Connects.
    pub async fn connect(to: SocketAddr) -> Self {
        Self(TcpStream::connect(to).await.expect("it listens"))
    }

    /// Sends bytes over a new connection and returns everything until the server closes it.
    pub async fn talk(to: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
        let mut raw = Self::connect(to).await;
        raw.send(bytes).await;
        raw.rest().await
    }

    /// Sends bytes. A server that has closed already is what the answer shows.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = timeout(PATIENCE, self.0.write_all(bytes.as_ref())).await;
        drop(sent.expect("the server takes what is sent"));
    }

    /// Everything until the connection ends; a reset shows as `<ConnectionReset>`.
    pub async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        match timeout(PATIENCE, self.0.read_to_end(&mut all)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => all.extend_from_slice(format!("<{:?}>", error.kind()).as_bytes()),
            Err(_) => panic!("the other side did not close after {:?}", String::from_utf8_lossy(&all)),
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Everything up to and with `end`.
    pub async fn until(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        let mut byte = [0u8; 1];
        while !all.ends_with(end.as_bytes()) {
            let count = timeout(PATIENCE, self.0.read(&mut byte)).await;
            let count = count.unwrap_or_else(|_| panic!("no {end:?} after {:?}", String::from_utf8_lossy(&all)));
            match count {
                Ok(1) => all.push(byte[0]),
                other => panic!("{other:?} before {end:?}: {:?}", String::from_utf8_lossy(&all)),
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}
