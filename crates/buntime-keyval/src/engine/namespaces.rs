//! Which namespaces there are.

use buntime_database::args;

use super::{Engine, Quota};
use crate::Result;

/// A namespace that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceInfo {
    /// Its name.
    pub name: String,
    /// What it may hold, if that is limited.
    pub quota: Option<Quota>,
}

impl Engine {
    /// All of them, by their names.
    ///
    /// # Errors
    /// The database's.
    pub async fn namespaces(&self) -> Result<Vec<NamespaceInfo>> {
        let all = "SELECT name, max_entries, max_bytes FROM kv_namespaces ORDER BY name";
        let rows = self.0.database.query(all, args![]).await?;
        let info = |row: buntime_database::Row<'_>| {
            Ok(NamespaceInfo { name: row.at(0)?, quota: Quota::of(row.at(1)?, row.at(2)?) })
        };
        rows.iter().map(info).collect()
    }
}
