//! Which servers, and what may be used of them.

use std::time::Duration;

/// How to reach a libSQL database. `Debug` shows no token.
#[derive(Clone)]
pub struct Options {
    pub(super) urls: Vec<String>,
    pub(super) token: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) admin: Option<(String, Option<String>)>,
    pub(super) statement_timeout: Duration,
    pub(super) max_result_bytes: usize,
    pub(super) sessions: usize,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What stands before an `@` is refused later on, and may be a password.
        let urls: Vec<_> = self.urls.iter().map(|url| url.rsplit('@').next().unwrap_or_default()).collect();
        f.debug_struct("Options").field("urls", &urls).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl Options {
    /// The primary, then its replicas: `http://host:port`, `https://…` or `libsql://…` (which is https).
    pub fn new(urls: Vec<String>) -> Self {
        Self {
            urls,
            token: None,
            tenant: None,
            admin: None,
            statement_timeout: Duration::from_secs(30),
            max_result_bytes: 64 << 20,
            sessions: 32,
        }
    }

    /// The token that all of them ask for.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Where namespaces are made and deleted (`--admin-listen-addr`), and the key for it.
    #[must_use]
    pub fn with_admin(mut self, url: impl Into<String>, key: Option<String>) -> Self {
        self.admin = Some((url.into(), key));
        self
    }

    /// That namespace, and not the server's default.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// How long one exchange with a server may take. Default 30 s; servers have limits of their own.
    #[must_use]
    pub fn with_statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// How much memory one statement's rows may take, in bytes. Default 64 MiB; servers send 10 MB by their own default.
    #[must_use]
    pub fn with_max_result_bytes(mut self, bytes: usize) -> Self {
        self.max_result_bytes = bytes;
        self
    }

    /// Sessions at most. Default 32.
    #[must_use]
    pub fn with_sessions(mut self, sessions: usize) -> Self {
        self.sessions = sessions;
        self
    }
}
