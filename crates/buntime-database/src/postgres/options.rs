//! Which server, which schema, and what may be used of it.

use std::{path::PathBuf, time::Duration};

use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

use crate::{Error, ErrorKind, Result};

/// How to reach a PostgreSQL database. `Debug` shows no password.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) config: Config,
    pub(super) ca: Option<PathBuf>,
    pub(super) schema: Option<String>,
    pub(super) max_connections: usize,
    pub(super) sessions: usize,
    pub(super) wait_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) statement_timeout: Duration,
    pub(super) max_result_bytes: usize,
}

impl Options {
    /// From a `url`: `postgres://user:password@host:5432/database?sslmode=require`. `sslmode` is `disable`, `prefer`
    /// (the default) or `require`; under TLS the certificate is checked, always, against the system's authorities and
    /// those of the PEM file `sslrootcert`. A Unix socket's directory goes into `host=`, percent-encoded.
    ///
    /// # Errors
    /// [`ErrorKind::Open`] for what is no such URL. The URL is not quoted: it may hold a password.
    pub fn from_url(url: &str) -> Result<Self> {
        let refuse = |why: String| {
            let form = "write `postgres://user:password@host:5432/database`";
            Err(Error::new(ErrorKind::Open, format!("this is not a PostgreSQL URL: {why}; {form}")))
        };
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return refuse("its scheme is not `postgres`".to_owned());
        }
        let (url, ca) = take_parameter(url, "sslrootcert");
        let mut config: Config = match url.parse() {
            Ok(config) => config,
            Err(error) => return refuse(source_words(&error)),
        };
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return refuse("it names no host".to_owned());
        }
        if config.get_user().is_none() {
            return refuse("it names no user".to_owned());
        }
        if config.get_application_name().is_none() {
            config.application_name("buntime");
        }
        if ca.is_some() && config.get_ssl_mode() == SslMode::Disable {
            return refuse("`sslrootcert` has no use with `sslmode=disable`".to_owned());
        }
        Ok(Self {
            config,
            ca: ca.map(PathBuf::from),
            schema: None,
            max_connections: 8,
            sessions: 16,
            wait_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            max_result_bytes: 64 << 20,
        })
    }

    /// Names without a schema mean this one and no other. Default: what the server has configured for the user,
    /// usually `public`.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// Connections at most, at least one. Default 8.
    #[must_use]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// Sessions at most, each with a connection beside those. Default 16.
    #[must_use]
    pub fn with_sessions(mut self, sessions: usize) -> Self {
        self.sessions = sessions;
        self
    }

    /// How long to wait for a connection that others use. Default 10 s.
    #[must_use]
    pub fn with_wait_timeout(mut self, timeout: Duration) -> Self {
        self.wait_timeout = timeout;
        self
    }

    /// How long one statement may run. Default 30 s.
    #[must_use]
    pub fn with_statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// How much memory one statement's rows may take, in bytes. Default 64 MiB.
    #[must_use]
    pub fn with_max_result_bytes(mut self, bytes: usize) -> Self {
        self.max_result_bytes = bytes;
        self
    }

    /// Where it is, without credentials.
    pub(super) fn location(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => self.config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        let schema = self.schema.as_ref().map(|schema| format!("#{schema}")).unwrap_or_default();
        format!("postgres://{host}:{port}/{database}{schema}")
    }

    /// What a new connection is told first. Everything is serializable: single statements too, so that they cannot
    /// slip between what a transaction read and what it writes.
    pub(super) fn session(&self) -> String {
        let timeout = self.statement_timeout.as_millis();
        let mut session = format!(
            "SET default_transaction_isolation = 'serializable'; SET standard_conforming_strings = on; \
             SET client_encoding = 'UTF8'; SET statement_timeout = {timeout}; \
             SET idle_in_transaction_session_timeout = 60000; SET extra_float_digits = 1"
        );
        if let Some(path) = self.search_path() {
            session.push_str("; ");
            session.push_str(&path);
        }
        session
    }

    pub(super) fn search_path(&self) -> Option<String> {
        let schema = self.schema.as_ref()?;
        Some(format!("SET search_path TO \"{}\"", schema.replace('"', "\"\"")))
    }
}

/// Takes a parameter that the driver does not know out of the query.
fn take_parameter(url: &str, name: &str) -> (String, Option<String>) {
    let Some((head, query)) = url.split_once('?') else { return (url.to_owned(), None) };
    let is = |pair: &&str| pair.split_once('=').is_some_and(|(key, _)| key == name);
    let (ours, theirs): (Vec<&str>, Vec<&str>) = query.split('&').partition(is);
    let value = ours.first().and_then(|pair| pair.split_once('=')).map(|(_, value)| value);
    let value = value.map(|value| percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned());
    (if theirs.is_empty() { head.to_owned() } else { format!("{head}?{}", theirs.join("&")) }, value)
}

/// The reason below the driver's own words, which say only in what it was found.
pub(super) fn source_words(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let options =
            Options::from_url("postgres://ann:secret@db.example.com/shop?sslrootcert=%2Fca.pem&sslmode=require");
        let options = options.unwrap().with_schema("acme");
        assert_eq!(options.location(), "postgres://db.example.com:5432/shop#acme");
        assert_eq!(options.ca.as_deref(), Some(std::path::Path::new("/ca.pem")));
        assert!(!format!("{options:?}").contains("secret"));
        assert_eq!(options.search_path().unwrap(), "SET search_path TO \"acme\"");
    }

    #[test]
    fn urls_that_are_none() {
        for url in ["http://x/y", "postgres:///db", "postgres://h/db?nonsense=1&x=secret", "postgres://a:secret@h:x/d"]
        {
            let error = Options::from_url(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Open, "{url}");
            assert!(!error.detail().contains("secret"), "{error}");
        }
    }
}
