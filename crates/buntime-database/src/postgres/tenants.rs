//! Tenants of a PostgreSQL database: schemas, marked by a comment so that no other schema is taken for one.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Options, Postgres};
use crate::{
    Adapter, Error, ErrorKind, Result, Statement, TenantName, Tenants, args,
    tenants::{Keeps, no_such},
};

const MARKED: &str = "SELECT nspname FROM pg_namespace WHERE obj_description(oid, 'pg_namespace') = 'a tenant of buntime' \
                      AND (?1::text IS NULL OR nspname = ?1)";

#[derive(Debug)]
struct Schemas {
    root: Arc<Postgres>,
    options: Options,
}

impl Postgres {
    /// The tenants of the database that `root` is, opened with the options it was opened with. Each has its own pool, of
    /// two connections at most.
    pub fn tenants(root: &Arc<Self>, options: &Options) -> Tenants {
        let options = options.clone().with_max_connections(2);
        Tenants::new(Schemas { root: Arc::clone(root), options })
    }
}

impl Schemas {
    async fn is_there(&self, name: &TenantName) -> Result<bool> {
        Ok(!self.root.query(MARKED, args![name.as_str()]).await?.is_empty())
    }
}

#[async_trait]
impl Keeps for Schemas {
    async fn create(&self, name: &TenantName) -> Result<bool> {
        if self.is_there(name).await? {
            return Ok(false);
        }
        let name = name.as_str();
        if name.starts_with("pg_") || name == "public" || name == "information_schema" {
            return Err(Error::new(ErrorKind::Argument, format!("`{name}` is a schema of PostgreSQL's own")));
        }
        // The name has no quotes in it.
        let create = Statement::new(format!("CREATE SCHEMA \"{name}\""), args![]);
        let mark = Statement::new(format!("COMMENT ON SCHEMA \"{name}\" IS 'a tenant of buntime'"), args![]);
        self.root.transaction(vec![create, mark]).await.map(|_| true)
    }

    async fn delete(&self, name: &TenantName) -> Result<bool> {
        if !self.is_there(name).await? {
            return Ok(false);
        }
        self.root.execute(&format!("DROP SCHEMA \"{}\" CASCADE", name.as_str()), args![]).await.map(|_| true)
    }

    async fn list(&self) -> Result<Vec<String>> {
        let rows = self.root.query(MARKED, args![None::<String>]).await?;
        rows.iter().map(|row| row.at(0)).collect()
    }

    async fn open(&self, name: &TenantName) -> Result<Arc<dyn Adapter>> {
        if !self.is_there(name).await? {
            return Err(no_such(name));
        }
        Ok(Arc::new(Postgres::open(self.options.clone().with_schema(name.as_str())).await?))
    }
}
