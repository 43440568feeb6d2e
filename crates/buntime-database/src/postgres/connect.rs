//! Opening connections, under TLS where it is asked for, and the pool's care of them.

use std::{sync::Arc, task};

use deadpool::managed::{Manager as Manages, Metrics, RecycleError, RecycleResult};
use futures_util::FutureExt as _;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Handle,
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_postgres::{
    AsyncMessage, Client,
    config::SslMode,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};

use super::{Options, errors, prepared::Cache};
use crate::{Error, ErrorKind, Result};

/// Connections that are made at the same time.
const MAKING: usize = 4;
/// How long telling the server to stop may take.
const TOLD: std::time::Duration = std::time::Duration::from_secs(2);

/// One connection, with the task that drives it and the statements it knows.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) cache: Cache,
    driver: JoinHandle<()>,
    tls: Tls,
}

impl Connection {
    /// Sets the path again that a function of a caller's may have changed, so that no statement ever runs in another schema.
    pub(super) async fn restore(&self, options: &Options) -> Result<(), tokio_postgres::Error> {
        match options.search_path() {
            Some(path) => self.client.batch_execute(&path).await,
            // There is no other tenant to be kept apart from: it is sent ahead of the next statement, and nobody waits.
            None => self.client.batch_execute("RESET search_path").now_or_never().unwrap_or(Ok(())),
        }
    }

    /// Ends it, whatever it does: the server is told to stop, and rolls back. Whoever counts connections keeps its place
    /// until this is done.
    pub(super) async fn end(&mut self) {
        let token = self.client.cancel_token();
        let told = token.cancel_query(self.tls.clone());
        let _ = tokio::time::timeout(TOLD, told).await;
        self.driver.abort();
        let _ = (&mut self.driver).await;
    }

    /// The same for who cannot wait.
    pub(super) fn abandon(mut self) {
        // Without a runtime everything of it is gone with the process.
        let Ok(runtime) = Handle::try_current() else { return self.driver.abort() };
        runtime.spawn(async move { self.end().await });
    }
}

/// What the pool makes connections with.
#[derive(Debug)]
pub(super) struct Manager {
    options: Arc<Options>,
    tls: Tls,
    /// Connections are driven by the runtime that opened the adapter: a caller's may end earlier.
    home: Handle,
    /// Connections that are being made, also for callers that are gone by now.
    making: Arc<Semaphore>,
}

impl Manager {
    pub(super) fn new(options: &Arc<Options>) -> Result<Self> {
        let making = Arc::new(Semaphore::new(MAKING));
        Ok(Self { options: Arc::clone(options), tls: Tls::new(options)?, home: Handle::current(), making })
    }

    /// Where connections live.
    pub(super) fn home(&self) -> &Handle {
        &self.home
    }

    /// A connection whose notifications go there.
    pub(super) async fn connect_listening(&self, told: mpsc::Sender<String>) -> Result<Connection> {
        Self::connect(Arc::clone(&self.options), self.tls.clone(), Some(told)).await
    }

    async fn connect(options: Arc<Options>, tls: Tls, told: Option<mpsc::Sender<String>>) -> Result<Connection> {
        let mut config = options.config.clone();
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(options.connect_timeout);
        }
        let (client, connection) = config.connect(tls.clone()).await.map_err(|error| errors::connecting(&error))?;
        let driver = tokio::spawn(drive(connection, told));
        let connection = Connection { client, cache: Cache::default(), driver, tls };
        connection.client.batch_execute(&options.session()).await.map_err(|error| errors::connecting(&error))?;
        Ok(connection)
    }
}

async fn drive<S, T>(mut connection: tokio_postgres::Connection<S, T>, told: Option<mpsc::Sender<String>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
        match (message, &told) {
            (Ok(AsyncMessage::Notification(said)), Some(told)) => {
                if told.send(said.payload().to_owned()).await.is_err() {
                    return;
                }
            }
            (Ok(AsyncMessage::Notice(notice)), _) => tracing::debug!(%notice, "PostgreSQL remarks something"),
            (Ok(_), _) => {}
            // Whoever waits for an answer is told of the same error.
            (Err(error), _) => {
                tracing::debug!(%error, "a connection to PostgreSQL ended");
                return;
            }
        }
    }
}

impl Manages for Manager {
    type Type = Connection;
    type Error = Error;

    async fn create(&self) -> Result<Connection> {
        let place = Arc::clone(&self.making).acquire_owned().await.map_err(|_| Error::closed())?;
        let connecting = Self::connect(Arc::clone(&self.options), self.tls.clone(), None);
        let connecting = self.home.spawn(async move {
            let _place = place;
            connecting.await
        });
        connecting.await.map_err(|_| Error::closed())?
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Error> {
        let dead = || RecycleError::message("the connection was closed");
        if connection.client.is_closed() {
            return Err(dead());
        }
        connection.restore(&self.options).await.map_err(|_| dead())
    }
}

/// Makes TLS of TCP, with certificates checked.
#[derive(Clone)]
pub(super) struct Tls(Option<Arc<ClientConfig>>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").field(&self.0.is_some()).finish()
    }
}

impl Tls {
    fn new(options: &Options) -> Result<Self> {
        if options.config.get_ssl_mode() == SslMode::Disable {
            return Ok(Self(None));
        }
        let refuse = |why: String| Error::new(ErrorKind::Open, format!("TLS to PostgreSQL: {why}"));
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &options.ca {
            let unreadable = |why: String| refuse(format!("`sslrootcert` {}: {why}", path.display()));
            let found = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| unreadable(error.to_string()))?;
            if found.is_empty() {
                return Err(unreadable("it holds no certificate in PEM form".to_owned()));
            }
            for certificate in found {
                roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
            }
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| refuse(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Some(Arc::new(config))))
    }
}

impl<S> MakeTlsConnect<S> for Tls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type TlsConnect = Handshake;
    type Error = std::io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, std::io::Error> {
        let name = ServerName::try_from(domain.to_owned());
        // A Unix socket has no name; the driver does not ask for TLS there.
        Ok(Handshake { config: self.0.clone(), name: name.ok() })
    }
}

/// One handshake to come.
pub(super) struct Handshake {
    config: Option<Arc<ClientConfig>>,
    name: Option<ServerName<'static>>,
}

impl<S> TlsConnect<S> for Handshake
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type Error = std::io::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = std::io::Result<Stream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let (Some(config), Some(name)) = (self.config, self.name) else {
                return Err(std::io::Error::other("TLS cannot be used here"));
            };
            tokio_rustls::TlsConnector::from(config).connect(name, stream).await.map(Stream)
        })
    }
}

/// A connection under TLS.
#[derive(Debug)]
pub(super) struct Stream<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        from: &[u8],
    ) -> task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(cx, from)
    }

    fn poll_flush(mut self: std::pin::Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
