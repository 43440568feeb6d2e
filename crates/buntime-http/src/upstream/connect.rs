//! From nothing to a connection that can be used: name, TCP, TLS, HTTP handshake.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::body::Body;
use http::uri::{Authority, Scheme};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{
    Protocol, SetupError, UpstreamOptions,
    pool::{Http1, Http2, Pool},
    tls,
};

/// Why no connection could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFailure {
    /// The name has no address.
    #[error("the name does not resolve")]
    Dns(#[source] Option<io::Error>),
    /// Nobody listens there.
    #[error("connection refused")]
    Refused(#[source] io::Error),
    /// Any other failure of the network.
    #[error("network error")]
    Network(#[source] io::Error),
    /// The handshake or the certificate.
    #[error("TLS failed")]
    Tls(#[source] io::Error),
    /// It took too long.
    #[error("timed out")]
    Timeout,
    /// The HTTP handshake.
    #[error("HTTP handshake failed")]
    Handshake(#[source] hyper::Error),
}

/// A connection that nobody has used yet.
pub(super) enum Fresh {
    Http1(Http1),
    Http2(Http2),
}

pub(super) struct Connector {
    host: String,
    port: u16,
    protocol: Protocol,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    patience: Duration,
}

impl Connector {
    pub(super) fn new(scheme: &Scheme, authority: &Authority, options: &UpstreamOptions) -> Result<Self, SetupError> {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_tls = *scheme == Scheme::HTTPS;
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let tls = if is_tls {
            let name = options.server_name.clone().unwrap_or_else(|| host.clone());
            let server_name =
                ServerName::try_from(name.clone()).map_err(|_| SetupError::ServerName { name: name.clone() })?;
            Some((TlsConnector::from(Arc::new(tls::config(options)?)), server_name))
        } else {
            None
        };
        // Without ALPN there is nothing to agree on.
        let protocol = match options.protocol {
            Protocol::Auto if !is_tls => Protocol::Http1,
            chosen => chosen,
        };
        Ok(Self { host, port, protocol, tls, patience: options.connect_timeout })
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(super) async fn connect(&self, pool: &Arc<Pool>) -> Result<Fresh, ConnectFailure> {
        let connected = timeout(self.patience, self.connect_patiently(pool)).await;
        let connected = connected.unwrap_or(Err(ConnectFailure::Timeout));
        pool.stats().count_connect(connected.is_ok());
        connected
    }

    async fn connect_patiently(&self, pool: &Arc<Pool>) -> Result<Fresh, ConnectFailure> {
        let stream = self.tcp().await?;
        stream.set_nodelay(true).map_err(ConnectFailure::Network)?;
        let Some((connector, name)) = &self.tls else {
            return match self.protocol {
                Protocol::Http2 => http2_over(stream, pool).await,
                Protocol::Auto | Protocol::Http1 => http1_over(stream, pool).await,
            };
        };
        let stream = connector.connect(name.clone(), stream).await.map_err(ConnectFailure::Tls)?;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => http2_over(stream, pool).await,
            _ if self.protocol == Protocol::Http2 => {
                Err(ConnectFailure::Tls(io::Error::other("the upstream does not agree to HTTP/2")))
            }
            _ => http1_over(stream, pool).await,
        }
    }

    /// Tries each address in turn; one that does not answer may use half of what time is left.
    async fn tcp(&self) -> Result<TcpStream, ConnectFailure> {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return TcpStream::connect((ip, self.port)).await.map_err(network);
        }
        let deadline = Instant::now() + self.patience;
        let found = lookup_host((self.host.as_str(), self.port)).await;
        let addresses: Vec<SocketAddr> = found.map_err(|error| ConnectFailure::Dns(Some(error)))?.collect();
        let mut last = ConnectFailure::Dns(None);
        for (index, address) in addresses.iter().enumerate() {
            let now = Instant::now();
            let left = deadline.saturating_duration_since(now);
            let until = now + if index + 1 < addresses.len() { left / 2 } else { left };
            last = match timeout_at(until, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => network(error),
                Err(_) => ConnectFailure::Timeout,
            };
        }
        Err(last)
    }
}

fn network(error: io::Error) -> ConnectFailure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectFailure::Refused(error),
        io::ErrorKind::TimedOut => ConnectFailure::Timeout,
        _ => ConnectFailure::Network(error),
    }
}

async fn http1_over<T>(stream: T, pool: &Arc<Pool>) -> Result<Fresh, ConnectFailure>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) =
        http1::Builder::new().handshake::<_, Body>(TokioIo::new(stream)).await.map_err(ConnectFailure::Handshake)?;
    let open = pool.opened();
    tokio::spawn(async move {
        let _open = open;
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "an upstream connection ended with an error");
        }
    });
    Ok(Fresh::Http1(sender))
}

async fn http2_over<T>(stream: T, pool: &Arc<Pool>) -> Result<Fresh, ConnectFailure>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20))
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .handshake::<_, Body>(TokioIo::new(stream))
        .await
        .map_err(ConnectFailure::Handshake)?;
    let open = pool.opened();
    tokio::spawn(async move {
        let _open = open;
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an upstream connection ended with an error");
        }
    });
    Ok(Fresh::Http2(sender))
}
