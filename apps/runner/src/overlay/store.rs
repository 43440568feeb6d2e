//! The overlay in the default database. Nodes that share the database tell by one number that another has changed
//! something; a change that was made on top of an old version is refused.

use std::{borrow::Cow, sync::Arc};

use buntime_core::PluginName;
use buntime_database::{Adapter, Error, ErrorKind, Migration, Result, Row, Statement, args};

use super::{Change, Key, Overlay};

const COMPONENT: &str = "runtime";
const MIGRATIONS: [Migration; 1] = [Migration {
    id: Cow::Borrowed("0001-plugin-changes"),
    sql: Cow::Borrowed(
        "CREATE TABLE runtime_version (id INTEGER PRIMARY KEY CHECK (id = 1), version BIGINT NOT NULL);
         INSERT INTO runtime_version (id, version) VALUES (1, 0);
         CREATE TABLE runtime_plugin_changes (
             plugin TEXT NOT NULL,
             name TEXT NOT NULL,
             value TEXT NOT NULL,
             version BIGINT NOT NULL,
             PRIMARY KEY (plugin, name)
         );",
    ),
}];

/// Where the overlay is kept.
#[derive(Clone, Debug)]
pub(crate) struct Store(Arc<dyn Adapter>);

impl Store {
    /// Brings the tables up to date.
    pub(crate) async fn open(adapter: Arc<dyn Adapter>) -> Result<Self> {
        adapter.migrate(COMPONENT, &MIGRATIONS).await?;
        Ok(Self(adapter))
    }

    /// The version now.
    pub(crate) async fn version(&self) -> Result<i64> {
        let rows = self.0.query("SELECT version FROM runtime_version WHERE id = 1", args![]).await?;
        rows.first().map_or(Ok(0), |row| row.get("version"))
    }

    /// Everything that is kept, as of one moment.
    pub(crate) async fn load(&self) -> Result<Overlay> {
        let sql = "SELECT v.version AS now, c.plugin, c.name, c.value, c.version
                   FROM runtime_version v LEFT JOIN runtime_plugin_changes c ON 1 = 1
                   WHERE v.id = 1 ORDER BY c.version, c.plugin, c.name";
        let rows = self.0.query(sql, args![]).await?;
        let mut overlay = Overlay::default();
        for row in rows.iter() {
            overlay.version = row.get("now")?;
            overlay.changes.extend(read(row)?);
        }
        Ok(overlay)
    }

    /// Makes what is kept equal to `after`, which was made from `before`; returns it at its new version.
    ///
    /// # Errors
    /// [`ErrorKind::Expectation`] if another node has changed something since `before`.
    pub(crate) async fn save(&self, before: &Overlay, mut after: Overlay) -> Result<Overlay> {
        let next = before.version + 1;
        let mut statements = vec![
            Statement::new(
                "UPDATE runtime_version SET version = ?1 WHERE id = 1 AND version = ?2",
                args![next, before.version],
            )
            .expecting(1),
        ];
        for gone in before.changes.iter().filter(|change| after.get(&change.plugin, &change.key).is_none()) {
            statements.push(Statement::new(
                "DELETE FROM runtime_plugin_changes WHERE plugin = ?1 AND name = ?2",
                args![gone.plugin.as_str(), gone.key.to_string()],
            ));
        }
        for change in after.changes.iter().filter(|change| change.version == next) {
            statements.push(Statement::new(
                "INSERT INTO runtime_plugin_changes (plugin, name, value, version) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (plugin, name) DO UPDATE SET value = excluded.value, version = excluded.version",
                args![change.plugin.as_str(), change.key.to_string(), change.value.to_string(), next],
            ));
        }
        self.0.transaction(statements).await?;
        after.version = next;
        Ok(after)
    }
}

/// A row without a change is the version alone; one that a newer program wrote and this one cannot read is skipped.
fn read(row: Row<'_>) -> Result<Option<Change>> {
    let (Some(plugin), Some(name)) = (row.get::<Option<String>>("plugin")?, row.get::<Option<String>>("name")?) else {
        return Ok(None);
    };
    let text: String = row.get("value")?;
    let value = serde_json::from_str(&text)
        .map_err(|error| Error::new(ErrorKind::Corrupt, format!("the kept change `{name}` of `{plugin}`: {error}")))?;
    let Some(key) = Key::parse(&name) else {
        tracing::warn!(plugin, "the kept change `{name}` is of a newer program and is left out");
        return Ok(None);
    };
    Ok(Some(Change { plugin: PluginName::new(&plugin), key, value, version: row.at(4)? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use buntime_database::sqlite::{Options, Sqlite};
    use serde_json::json;

    #[tokio::test]
    async fn what_is_saved_is_loaded_and_old_versions_are_refused() {
        let store = Store::open(Arc::new(Sqlite::open(Options::memory()).await.unwrap())).await.unwrap();
        let empty = store.load().await.unwrap();
        assert_eq!(empty, Overlay::default());
        let metrics = PluginName::new("metrics");
        let mut changed = empty.clone();
        changed.set(&metrics, Key::Config("sseInterval".into()), json!("2s"));
        changed.set(&metrics, Key::Enabled, json!(false));
        let saved = store.save(&empty, changed.clone()).await.unwrap();
        assert_eq!((saved.version, store.version().await.unwrap()), (1, 1));
        let loaded = store.load().await.unwrap();
        assert_eq!(loaded.get(&metrics, &Key::Enabled), saved.get(&metrics, &Key::Enabled));
        let stale = store.save(&empty, changed).await.unwrap_err();
        assert_eq!(stale.kind(), ErrorKind::Expectation);
        let mut gone = loaded.clone();
        gone.forget(&metrics);
        store.save(&loaded, gone).await.unwrap();
        let left = store.load().await.unwrap();
        assert_eq!((left.version, left.changes.len()), (2, 0));
    }
}
