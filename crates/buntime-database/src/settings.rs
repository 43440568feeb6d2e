//! Adapters as an operator configures them, and the registry that is made of it.

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    Builder, Error, ErrorKind, Registry, Result,
    sqlite::{self, Sqlite},
};

/// One entry of `adapters`. Shown or serialised it has no secret in it.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum AdapterSettings {
    /// A file of this machine.
    Sqlite(SqliteSettings),
    /// A libSQL server.
    Libsql(LibsqlSettings),
    /// A PostgreSQL server.
    Postgres(PostgresSettings),
}

/// `{ "type": "sqlite" }`.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SqliteSettings {
    /// Is it the one that plugins get who name none?
    pub default: Option<bool>,
    /// `file:./name.db`, a path, or `:memory:`; relative to the configuration file. Default: `buntime.db` in `dataDir`.
    pub url: Option<String>,
}

/// `{ "type": "libsql" }`.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LibsqlSettings {
    /// Is it the one that plugins get who name none?
    pub default: Option<bool>,
    /// The primary, then its replicas. Default: `LIBSQL_URL_0`, `LIBSQL_URL_1`, …
    #[serde(default, serialize_with = "masked")]
    pub urls: Vec<String>,
    /// Default: `LIBSQL_AUTH_TOKEN`.
    #[serde(serialize_with = "masked")]
    pub auth_token: Option<String>,
    /// Where the server takes orders for namespaces; without it tenants can be opened and not made.
    #[serde(serialize_with = "masked")]
    pub admin_url: Option<String>,
    /// The key for that.
    #[serde(serialize_with = "masked")]
    pub admin_key: Option<String>,
}

/// `{ "type": "postgres" }`.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostgresSettings {
    /// Is it the one that plugins get who name none?
    pub default: Option<bool>,
    /// `postgres://user:password@host:5432/database?sslmode=require`.
    #[serde(serialize_with = "masked")]
    pub url: String,
    /// Connections at most, beside those of sessions.
    #[schemars(range(min = 1, max = 1000))]
    pub max_connections: Option<usize>,
}

impl fmt::Debug for AdapterSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdapterSettings").field("type", &self.kind()).finish_non_exhaustive()
    }
}

/// URLs and keys may be secret.
macro_rules! secretive {
    ($($settings:ident),*) => {$(
        impl fmt::Debug for $settings {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($settings)).field("default", &self.default).finish_non_exhaustive()
            }
        }
    )*};
}

secretive!(SqliteSettings, LibsqlSettings, PostgresSettings);

/// URLs and keys stay here.
fn masked<T, S: Serializer>(_: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("***")
}

impl AdapterSettings {
    /// Its `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Libsql(_) => "libsql",
            Self::Postgres(_) => "postgres",
        }
    }

    fn is_default(&self) -> bool {
        let marked = match self {
            Self::Sqlite(settings) => settings.default,
            Self::Libsql(settings) => settings.default,
            Self::Postgres(settings) => settings.default,
        };
        marked == Some(true)
    }

    /// The key that a failure to open is most likely of.
    fn key(&self) -> &'static str {
        if matches!(self, Self::Libsql(_)) { "urls" } else { "url" }
    }
}

/// What the environment says of databases.
#[derive(Clone, Default)]
pub struct FromEnvironment {
    urls: Vec<String>,
    token: Option<String>,
}

impl fmt::Debug for FromEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromEnvironment").field("urls", &self.urls).finish_non_exhaustive()
    }
}

impl FromEnvironment {
    /// Reads `LIBSQL_URL_0`, `LIBSQL_URL_1`, … up to the first that is not set, and `LIBSQL_AUTH_TOKEN`.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| var(name).filter(|value| !value.is_empty());
        let urls = (0..).map_while(|at| set(&format!("LIBSQL_URL_{at}"))).collect();
        Self { urls, token: set("LIBSQL_AUTH_TOKEN") }
    }
}

/// A mistake in the settings, or a database that does not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Which entry of `adapters`, and which key of it; `None` for what is not written there.
    pub at: Option<(usize, &'static str)>,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Which adapters there are to be: those configured, and what the environment adds. Without any of both one SQLite
/// database in the data directory.
///
/// # Errors
/// Every mistake against the rules: a type twice, several defaults or none, no `urls`.
pub fn judge(
    configured: &[AdapterSettings],
    env: &FromEnvironment,
) -> Result<Vec<(AdapterSettings, bool)>, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut mistake = |at: usize, key, message: String| mistakes.push(Mistake { at: Some((at, key)), message });
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    let mut default: Option<usize> = None;
    let mut all = Vec::with_capacity(configured.len() + 1);
    for (at, settings) in configured.iter().enumerate() {
        let kind = settings.kind();
        if first.contains_key(kind) {
            mistake(at, "type", format!("a second adapter of type `{kind}`; each type may be configured once"));
        }
        first.entry(kind).or_insert(at);
        if settings.is_default() {
            match default {
                Some(_) => mistake(at, "default", "a second default adapter; keep one `default: true`".to_owned()),
                None => default = Some(at),
            }
        }
        let mut settings = settings.clone();
        if let AdapterSettings::Libsql(libsql) = &mut settings {
            if libsql.urls.is_empty() {
                libsql.urls.clone_from(&env.urls);
            }
            if libsql.urls.is_empty() {
                mistake(at, "urls", "no server is named; write the primary's URL here, or set LIBSQL_URL_0".to_owned());
            }
            libsql.auth_token = libsql.auth_token.take().or_else(|| env.token.clone());
        }
        all.push(settings);
    }
    if default.is_none() && configured.len() > 1 {
        let kinds: Vec<_> = configured.iter().map(|settings| format!("`{}`", settings.kind())).collect();
        let message = format!("none of {} is the default; mark one with `default: true`", kinds.join(", "));
        mistakes.push(Mistake { at: Some((0, "default")), message });
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    if !first.contains_key("libsql") && !env.urls.is_empty() {
        let (urls, auth_token) = (env.urls.clone(), env.token.clone());
        all.push(AdapterSettings::Libsql(LibsqlSettings { urls, auth_token, ..LibsqlSettings::default() }));
    }
    if all.is_empty() {
        all.push(AdapterSettings::Sqlite(SqliteSettings::default()));
    }
    let default = default.unwrap_or(0);
    Ok(all.into_iter().enumerate().map(|(at, settings)| (settings, at == default)).collect())
}

/// Opens what [`judge`] returned. Relative files are relative to `base`. When one does not open, the others are closed.
///
/// # Errors
/// Each that does not open, with [`Mistake::at`] if it is among the first `configured`; and the error of the first.
pub async fn open(
    all: &[(AdapterSettings, bool)],
    configured: usize,
    base: &Path,
    data_dir: &Path,
) -> Result<Registry, (Vec<Mistake>, Error)> {
    let (mut builder, mut mistakes, mut cause) = (Registry::builder(), Vec::new(), None);
    for (at, (settings, default)) in all.iter().enumerate() {
        match add(builder.clone(), settings, *default, base, data_dir).await {
            Ok(next) => builder = next,
            Err(error) => {
                let place = (at < configured).then_some((at, settings.key()));
                let message = format!("the {} database cannot be opened: {}", settings.kind(), error.detail());
                mistakes.push(Mistake { at: place, message });
                cause = cause.or(Some(error));
            }
        }
    }
    let error = match (cause, builder.clone().build()) {
        (None, Ok(registry)) => return Ok(registry),
        (None, Err(error)) => Error::new(ErrorKind::Open, error.to_string()),
        (Some(error), _) => error,
    };
    builder.close().await;
    Err((mistakes, error))
}

async fn add(
    builder: Builder,
    settings: &AdapterSettings,
    default: bool,
    base: &Path,
    data_dir: &Path,
) -> Result<Builder> {
    match settings {
        AdapterSettings::Sqlite(SqliteSettings { url, .. }) => {
            let options = match url {
                Some(url) => sqlite::Options::from_url(url, base)?,
                None => sqlite::Options::in_dir(data_dir),
            };
            let builder = builder.add(Arc::new(Sqlite::open(options.clone()).await?), default);
            // A database in memory has none.
            Ok(match Sqlite::tenants(&options) {
                Ok(tenants) => builder.with_tenants(tenants),
                Err(_) => builder,
            })
        }
        AdapterSettings::Libsql(settings) => libsql(builder, settings, default).await,
        AdapterSettings::Postgres(settings) => postgres(builder, settings, default).await,
    }
}

#[cfg(feature = "libsql")]
async fn libsql(builder: Builder, settings: &LibsqlSettings, default: bool) -> Result<Builder> {
    use crate::libsql::{Libsql, Options};
    let LibsqlSettings { urls, auth_token, admin_url, admin_key, .. } = settings.clone();
    let mut options = Options::new(urls);
    if let Some(token) = auth_token {
        options = options.with_token(token);
    }
    if let Some(url) = admin_url {
        options = options.with_admin(url, admin_key);
    }
    let root = Arc::new(Libsql::open(options.clone()).await?);
    let tenants = Libsql::tenants(&root, &options);
    Ok(builder.add(root, default).with_tenants(tenants))
}

#[cfg(feature = "postgres")]
async fn postgres(builder: Builder, settings: &PostgresSettings, default: bool) -> Result<Builder> {
    use crate::postgres::{Options, Postgres};
    let mut options = Options::from_url(&settings.url)?;
    if let Some(most) = settings.max_connections {
        options = options.with_max_connections(most);
    }
    let root = Arc::new(Postgres::open(options.clone()).await?);
    let tenants = Postgres::tenants(&root, &options);
    Ok(builder.add(root, default).with_tenants(tenants))
}

#[cfg(not(feature = "libsql"))]
async fn libsql(_: Builder, _: &LibsqlSettings, _: bool) -> Result<Builder> {
    Err(Error::new(ErrorKind::Open, "this build has no libSQL adapter; build it with the feature `libsql`"))
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_: Builder, _: &PostgresSettings, _: bool) -> Result<Builder> {
    Err(Error::new(ErrorKind::Open, "this build has no PostgreSQL adapter; build it with the feature `postgres`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(json: &str, env: &[&str]) -> Result<Vec<(String, bool)>, Vec<Mistake>> {
        let configured: Vec<AdapterSettings> = serde_json::from_str(json).unwrap();
        let var =
            |name: &str| env.get(name.strip_prefix("LIBSQL_URL_")?.parse::<usize>().ok()?).map(ToString::to_string);
        let all = judge(&configured, &FromEnvironment::read(var))?;
        Ok(all.iter().map(|(settings, default)| (settings.kind().to_owned(), *default)).collect())
    }

    fn kinds(json: &str, env: &[&str]) -> Vec<(String, bool)> {
        judged(json, env).unwrap()
    }

    #[test]
    fn without_configuration() {
        assert_eq!(kinds("[]", &[]), [("sqlite".to_owned(), true)]);
        assert_eq!(kinds("[]", &["http://a", "http://b"]), [("libsql".to_owned(), true)]);
    }

    #[test]
    fn the_environment_adds_and_fills() {
        let sqlite = r#"[{ "type": "sqlite" }]"#;
        assert_eq!(kinds(sqlite, &["http://a"]), [("sqlite".to_owned(), true), ("libsql".to_owned(), false)]);
        let configured: Vec<AdapterSettings> = serde_json::from_str(r#"[{ "type": "libsql" }]"#).unwrap();
        let var =
            |name: &str| ["LIBSQL_URL_0", "LIBSQL_URL_1", "LIBSQL_AUTH_TOKEN"].contains(&name).then(|| name.to_owned());
        let all = judge(&configured, &FromEnvironment::read(var)).unwrap();
        let [(AdapterSettings::Libsql(libsql), true)] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(libsql.urls, ["LIBSQL_URL_0", "LIBSQL_URL_1"]);
        assert_eq!(libsql.auth_token.as_deref(), Some("LIBSQL_AUTH_TOKEN"));
    }

    #[test]
    fn rules() {
        let mistakes = |json: &str| -> Vec<(usize, &'static str)> {
            judged(json, &[]).unwrap_err().into_iter().map(|mistake| mistake.at.unwrap()).collect()
        };
        assert_eq!(mistakes(r#"[{ "type": "sqlite", "default": true }, { "type": "sqlite" }]"#), [(1, "type")]);
        let postgres = r#"{ "type": "postgres", "url": "postgres://u@h/d" }"#;
        assert_eq!(mistakes(&format!(r#"[{{ "type": "sqlite" }}, {postgres}]"#)), [(0, "default")]);
        let both = r#"[{ "type": "sqlite", "default": true }, { "type": "libsql", "default": true }]"#;
        assert_eq!(mistakes(both), [(1, "default"), (1, "urls")]);
        assert!(serde_json::from_str::<AdapterSettings>(r#"{ "type": "sqlite", "ulr": "x" }"#).is_err());
    }

    #[test]
    fn what_is_shown_has_no_secret() {
        let json = r#"[{ "type": "postgres", "url": "postgres://u:hidden@h/d" },
                       { "type": "libsql", "urls": ["http://hidden"], "authToken": "hidden", "adminKey": "hidden" }]"#;
        let configured: Vec<AdapterSettings> = serde_json::from_str(json).unwrap();
        let shown = format!("{configured:?} {}", serde_json::to_string(&configured).unwrap());
        assert!(!shown.contains("hidden") && shown.contains("***"), "{shown}");
    }

    #[tokio::test]
    async fn what_does_not_open_is_told_at_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let configured: Vec<AdapterSettings> = serde_json::from_str(
            r#"[{ "type": "sqlite", "url": "file:x.db", "default": true }, { "type": "postgres", "url": "nonsense" }]"#,
        )
        .unwrap();
        let all = judge(&configured, &FromEnvironment::default()).unwrap();
        let (mistakes, error) = open(&all, 2, dir.path(), dir.path()).await.unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].at), (1, Some((1, "url"))));
        assert_eq!(error.kind(), ErrorKind::Open);
        let registry = open(&all[..1], 1, dir.path(), dir.path()).await.unwrap();
        assert!(registry.tenants(None).unwrap().is_some() && dir.path().join("x.db").exists());
        registry.close().await;
    }
}
