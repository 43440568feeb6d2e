//! Tenants of a libSQL server: namespaces. The server does not list them, so the default one keeps a table of those that
//! were made here.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Libsql, Options};
use crate::{
    Adapter, Error, ErrorKind, Result, TenantName, Tenants, args,
    tenants::{Keeps, no_such},
};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS _buntime_tenants (name TEXT PRIMARY KEY) WITHOUT ROWID, STRICT";

#[derive(Debug)]
struct Namespaces {
    root: Arc<Libsql>,
    options: Options,
}

impl Libsql {
    /// The tenants of the server that `root` is on, opened with the options it was opened with.
    pub fn tenants(root: &Arc<Self>, options: &Options) -> Tenants {
        Tenants::new(Namespaces { root: Arc::clone(root), options: options.clone() })
    }
}

#[async_trait]
impl Keeps for Namespaces {
    async fn create(&self, name: &TenantName) -> Result<bool> {
        if name.as_str() == "default" {
            return Err(Error::new(ErrorKind::Argument, "`default` is the server's own namespace"));
        }
        let made = Libsql::create_tenant(&self.options, name.as_str()).await?;
        self.root.execute(TABLE, args![]).await?;
        self.root.execute("INSERT OR IGNORE INTO _buntime_tenants VALUES (?1)", args![name.as_str()]).await?;
        Ok(made)
    }

    async fn delete(&self, name: &TenantName) -> Result<bool> {
        if name.as_str() == "default" {
            return Err(Error::new(ErrorKind::Argument, "`default` is the server's own namespace"));
        }
        let gone = Libsql::delete_tenant(&self.options, name.as_str()).await?;
        self.root.execute(TABLE, args![]).await?;
        self.root.execute("DELETE FROM _buntime_tenants WHERE name = ?1", args![name.as_str()]).await?;
        Ok(gone)
    }

    async fn list(&self) -> Result<Vec<String>> {
        self.root.execute(TABLE, args![]).await?;
        let rows = self.root.query("SELECT name FROM _buntime_tenants", args![]).await?;
        rows.iter().map(|row| row.at(0)).collect()
    }

    async fn open(&self, name: &TenantName) -> Result<Arc<dyn Adapter>> {
        let opened = Libsql::open(self.options.clone().with_tenant(name.as_str())).await;
        let opened = opened.map_err(|error| match error.kind() {
            ErrorKind::Open if error.detail().contains("no such database") => no_such(name),
            _ => error,
        })?;
        Ok(Arc::new(opened))
    }
}
