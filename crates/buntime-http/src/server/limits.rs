//! What one listener allows: counts, sizes, times. Swapped whole while it runs; see [`super::Control`].

use std::time::Duration;

/// The limits of a listener. Connections read them when they begin, requests when they arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once, upgraded ones included. Past it a connection is answered 503 (plain HTTP) and closed.
    pub max_connections: usize,
    /// Bytes of a request's body; past it 413.
    pub max_body_size: u64,
    /// Bytes of a request's target; past it 414. hyper itself stops at 65,534.
    pub max_uri: usize,
    /// Bytes of a request's head, request line included; past it 431.
    pub max_header_bytes: usize,
    /// Header fields of a request; past it 431. Up to 100 hyper needs no memory of its own for them.
    pub max_headers: usize,
    /// From the first byte of a request's head to its last, and from accept to the first head; past it 408.
    pub header_timeout: Duration,
    /// How long a request body may make no progress while it is waited for; past it 408.
    pub body_timeout: Duration,
    /// How long a connection may have nothing to do, and how long a client may take none of what is sent to it.
    pub idle_timeout: Duration,
    /// From accept to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// How long running exchanges may take to end once the server stops.
    pub shutdown_grace: Duration,
    /// HTTP/2 streams open at once in one connection.
    pub max_streams: u32,
    /// HTTP/2 streams that a client may reset before they were accepted; past it the connection is ended.
    pub max_pending_resets: usize,
    /// HTTP/2 streams that may be reset for a client's errors; past it the connection is ended.
    pub max_error_resets: usize,
    /// How often a quiet HTTP/2 connection is pinged.
    pub ping_interval: Duration,
    /// How long the answer to a ping may take.
    pub ping_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_body_size: 10 << 20,
            max_uri: 16 << 10,
            max_header_bytes: 64 << 10,
            max_headers: 100,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            handshake_timeout: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(30),
            max_streams: 200,
            max_pending_resets: 20,
            max_error_resets: 256,
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
        }
    }
}
