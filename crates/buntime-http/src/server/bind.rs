//! Binding the port. Each failure says what to change.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    thread,
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{Control, Limits, Server, TlsError, TlsFiles};

/// Connections the system may hold for us before we accept them.
const BACKLOG: i32 = 4096;

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// An IP address or a name that resolves to one; `0.0.0.0` and `::` are every interface.
    pub host: String,
    /// The port; 0 picks a free one.
    pub port: u16,
    /// Certificate and key; without them plain HTTP is spoken.
    pub tls: Option<TlsFiles>,
    /// What is allowed; may be changed later through [`Control`].
    pub limits: Limits,
    /// Worker threads; `None` is one per core.
    pub workers: Option<usize>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: 0, tls: None, limits: Limits::default(), workers: None }
    }
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has the port.
    #[error("port {} on {} is in use; stop what uses it, or choose another with PORT or `server.port` (0 picks a free one)", .address.port(), .address.ip())]
    InUse {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The host is no address and no name that resolves.
    #[error(
        "`{host}` is not an address to listen on; set HOST or `server.host` to an IP address of this machine, such as 127.0.0.1 or 0.0.0.0"
    )]
    Host {
        /// What was asked for.
        host: String,
    },
    /// The address belongs to another machine.
    #[error("{} is not an address of this machine; set HOST or `server.host` to one that is, such as 127.0.0.1 or 0.0.0.0", .address.ip())]
    NotLocal {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The system does not allow it.
    #[error("not allowed to listen on port {}; ports below 1024 need a privilege: choose another with PORT or `server.port`", .address.port())]
    Denied {
        /// What was asked for.
        address: SocketAddr,
    },
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

pub(super) fn bind(options: &ListenOptions) -> Result<Server, BindError> {
    let tls = options.tls.as_ref().map(TlsFiles::load).transpose()?;
    let address = resolve(&options.host, options.port)?;
    let (listener, local) = listen(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address },
        io::ErrorKind::AddrNotAvailable => BindError::NotLocal { address },
        io::ErrorKind::PermissionDenied => BindError::Denied { address },
        _ => BindError::Other { address, source },
    })?;
    let cores = || thread::available_parallelism().map_or(1, Into::into);
    let workers = options.workers.unwrap_or_else(cores).max(1);
    Ok(Server { listener, local, workers, control: Arc::new(Control::new(options.limits.clone(), tls)) })
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, BindError> {
    let bare = host.trim().trim_start_matches('[').trim_end_matches(']');
    let unknown = || BindError::Host { host: host.to_owned() };
    if bare.is_empty() {
        return Err(unknown());
    }
    (bare, port).to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or_else(unknown)
}

fn listen(address: SocketAddr) -> io::Result<(std::net::TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Lets a restart have the port while old connections linger; a port that somebody listens on stays refused.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = std::net::TcpListener::from(socket);
    let local = listener.local_addr()?;
    Ok((listener, local))
}
