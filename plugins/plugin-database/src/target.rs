//! Which database is meant: an adapter by its type, and perhaps a tenant of it.

use std::sync::Arc;

use buntime_core::{Error, ErrorKind};
use buntime_database::{self as database, Adapter, Registry, RegistryError, TenantName, Tenants};

use crate::{failure::failure, limits::Limits};

/// The databases of the program.
#[derive(Clone, Debug)]
pub(crate) struct Databases(Arc<Registry>, Limits);

/// One of them, open.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) adapter: Arc<dyn Adapter>,
    pub(crate) tenant: Option<TenantName>,
}

impl Target {
    /// The adapter's type.
    pub(crate) fn kind(&self) -> &'static str {
        self.adapter.kind()
    }

    /// Do both mean the same database?
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.tenant == other.tenant
    }
}

impl Databases {
    pub(crate) fn new(registry: Arc<Registry>, limits: Limits) -> Self {
        Self(registry, limits)
    }

    /// Each adapter, and whether it is the default.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<dyn Adapter>, bool)> {
        self.0.iter()
    }

    /// The adapter of that type, or the default.
    pub(crate) fn adapter(&self, kind: Option<&str>) -> Result<Arc<dyn Adapter>, Error> {
        self.0.get(present(kind)).map_err(|error| unknown(&error))
    }

    /// The tenants of an adapter, if it can have any.
    pub(crate) fn tenants(&self, kind: &str) -> Result<Option<Arc<Tenants>>, Error> {
        self.0.tenants(Some(kind)).map_err(|error| unknown(&error))
    }

    /// The tenants of an adapter that has to have some.
    pub(crate) fn must_have_tenants(&self, kind: &str) -> Result<Arc<Tenants>, Error> {
        self.tenants(kind)?.ok_or_else(|| {
            let detail = format!("The {kind} database has no tenants: it is in memory");
            Error::new(ErrorKind::Conflict).with_code("no_tenants").with_detail(detail)
        })
    }

    /// Opens a database. Empty words are none.
    pub(crate) async fn open(&self, kind: Option<&str>, tenant: Option<&str>) -> Result<Target, Error> {
        let adapter = self.adapter(kind)?;
        let Some(tenant) = present(tenant) else { return Ok(Target { adapter, tenant: None }) };
        let name = TenantName::new(tenant).map_err(failure)?;
        let tenants = self.must_have_tenants(adapter.kind())?;
        let opened = self.1.within(tenants.open(&name)).await;
        let adapter = opened.map_err(|error| match error.kind() {
            database::ErrorKind::NoTenant => no_such_tenant(&name).with_cause(error),
            _ => failure(error),
        })?;
        Ok(Target { adapter, tenant: Some(name) })
    }
}

pub(crate) fn no_such_tenant(name: &TenantName) -> Error {
    Error::new(ErrorKind::NotFound)
        .with_code("no_such_tenant")
        .with_detail(format!("There is no tenant `{}`; create it first", name.as_str()))
}

fn present(word: Option<&str>) -> Option<&str> {
    word.map(str::trim).filter(|word| !word.is_empty())
}

fn unknown(error: &RegistryError) -> Error {
    let detail = match error {
        RegistryError::Unknown { wanted, available } => {
            let short: String = wanted.chars().take(40).collect();
            format!("Adapter type \"{short}\" is not configured. Available: {}", available.join(", "))
        }
        other => other.to_string(),
    };
    Error::new(ErrorKind::Malformed).with_code("unknown_adapter").with_detail(detail)
}

#[cfg(test)]
mod tests {
    use buntime_database::sqlite::{Options, Sqlite};
    use http::StatusCode;

    use super::*;
    use crate::config::DatabaseSettings;

    #[tokio::test]
    async fn a_tenant_that_cannot_be_opened_is_not_told_to_be_none() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options::in_dir(dir.path());
        let sqlite = Arc::new(Sqlite::open(options.clone()).await.unwrap());
        let registry = Registry::builder().add(sqlite, true).with_tenants(Sqlite::tenants(&options).unwrap()).build();
        let databases = Databases::new(Arc::new(registry.unwrap()), Limits::of(&DatabaseSettings::default()));
        std::fs::create_dir_all(dir.path().join("buntime.tenants/broken.db")).unwrap();
        for (tenant, status, code) in
            [("nobody", StatusCode::NOT_FOUND, "no_such_tenant"), ("broken", StatusCode::SERVICE_UNAVAILABLE, "open")]
        {
            let error = databases.open(None, Some(tenant)).await.unwrap_err();
            assert_eq!((error.status(), error.code()), (status, code), "{tenant}");
        }
    }
}
