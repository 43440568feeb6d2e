//! The rules in the database.

use std::{borrow::Cow, sync::Arc};

use buntime_database::{Adapter, Error, ErrorKind, Migration, Result, Row, Statement, args};

const COMPONENT: &str = "proxy";
const MIGRATIONS: [Migration; 1] = [Migration {
    id: Cow::Borrowed("0001-rules"),
    sql: Cow::Borrowed(
        "CREATE TABLE proxy_version (id INTEGER PRIMARY KEY CHECK (id = 1), version BIGINT NOT NULL);
         INSERT INTO proxy_version (id, version) VALUES (1, 0);
         CREATE TABLE proxy_rules (
             id TEXT PRIMARY KEY,
             position BIGINT NOT NULL,
             enabled BIGINT NOT NULL,
             rule TEXT NOT NULL,
             version BIGINT NOT NULL
         );
         CREATE INDEX proxy_rules_position ON proxy_rules (position);",
    ),
}];

/// Rows read at a time: a page of the largest rules is well below what one result may have.
const PAGE: i64 = 500;
/// How often reading is begun again because somebody changed something meanwhile.
const TRIES: usize = 20;

/// A rule as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) id: Arc<str>,
    pub(super) position: i64,
    pub(super) enabled: bool,
    /// Its settings as JSON.
    pub(super) rule: String,
    pub(super) version: i64,
}

/// Everything, as of one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) version: i64,
    /// In order.
    pub(super) rules: Vec<Kept>,
}

/// One part of a change.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Adds or replaces a rule.
    Put { id: Arc<str>, position: i64, enabled: bool, rule: String },
    /// Gives a rule that is there another place.
    Move { id: Arc<str>, position: i64 },
    /// Switches a rule that is there.
    Switch { id: Arc<str>, enabled: bool },
    /// Removes a rule that is there.
    Delete { id: Arc<str> },
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Store(Arc<dyn Adapter>);

impl Store {
    /// Brings the tables up to date.
    pub(super) async fn open(adapter: Arc<dyn Adapter>) -> Result<Self> {
        adapter.migrate(COMPONENT, &MIGRATIONS).await?;
        Ok(Self(adapter))
    }

    /// The version now.
    pub(super) async fn version(&self) -> Result<i64> {
        let rows = self.0.query("SELECT version FROM proxy_version WHERE id = 1", args![]).await?;
        rows.first().map_or(Ok(0), |row| row.get("version"))
    }

    /// Everything, as of one moment.
    pub(super) async fn load(&self) -> Result<Snapshot> {
        let mut version = self.version().await?;
        for _ in 0..TRIES {
            let rules = self.rules().await?;
            let after = self.version().await?;
            if after == version {
                return Ok(Snapshot { version, rules });
            }
            version = after;
        }
        Err(Error::new(ErrorKind::Busy, "the rules are being changed all the time"))
    }

    async fn rules(&self) -> Result<Vec<Kept>> {
        let sql = "SELECT id, position, enabled, rule, version FROM proxy_rules
                   WHERE position > ?1 ORDER BY position LIMIT ?2";
        let mut rules: Vec<Kept> = Vec::new();
        loop {
            let after = rules.last().map_or(i64::MIN, |rule| rule.position);
            let rows = self.0.query(sql, args![after, PAGE]).await?;
            for row in rows.iter() {
                rules.push(read(row)?);
            }
            if (rows.len() as i64) < PAGE {
                return Ok(rules);
            }
        }
    }

    /// Makes a change that was thought out for the version `before`; returns the new one.
    ///
    /// # Errors
    /// [`ErrorKind::Expectation`] if something has changed since; nothing was done then.
    pub(super) async fn commit(&self, before: i64, ops: &[Op]) -> Result<i64> {
        let next = before + 1;
        let bump = "UPDATE proxy_version SET version = ?1 WHERE id = 1 AND version = ?2";
        let bump = Statement::new(bump, args![next, before]).expecting(1);
        let statement = |op: &Op| match op {
            Op::Put { id, position, enabled, rule } => Statement::new(
                "INSERT INTO proxy_rules (id, position, enabled, rule, version) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (id) DO UPDATE SET position = excluded.position, enabled = excluded.enabled,
                     rule = excluded.rule, version = excluded.version",
                args![id.to_string(), *position, i64::from(*enabled), rule.clone(), next],
            )
            .expecting(1),
            Op::Move { id, position } => {
                let sql = "UPDATE proxy_rules SET position = ?1 WHERE id = ?2";
                Statement::new(sql, args![*position, id.to_string()]).expecting(1)
            }
            Op::Switch { id, enabled } => {
                let sql = "UPDATE proxy_rules SET enabled = ?1, version = ?2 WHERE id = ?3";
                Statement::new(sql, args![i64::from(*enabled), next, id.to_string()]).expecting(1)
            }
            Op::Delete { id } => {
                Statement::new("DELETE FROM proxy_rules WHERE id = ?1", args![id.to_string()]).expecting(1)
            }
        };
        self.0.transaction(std::iter::once(bump).chain(ops.iter().map(statement)).collect()).await?;
        Ok(next)
    }
}

fn read(row: Row<'_>) -> Result<Kept> {
    let enabled: i64 = row.get("enabled")?;
    Ok(Kept {
        id: row.get::<String>("id")?.into(),
        position: row.get("position")?,
        enabled: enabled != 0,
        rule: row.get("rule")?,
        version: row.get("version")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use buntime_database::sqlite::{Options, Sqlite};

    fn put(id: &str, position: i64) -> Op {
        Op::Put { id: id.into(), position, enabled: true, rule: "{}".to_owned() }
    }

    fn ids(snapshot: &Snapshot) -> Vec<&str> {
        snapshot.rules.iter().map(|rule| &*rule.id).collect()
    }

    #[tokio::test]
    async fn changes_are_made_on_top_of_what_was_read_and_whole() {
        let store = Store::open(Arc::new(Sqlite::open(Options::memory()).await.unwrap())).await.unwrap();
        assert_eq!(store.load().await.unwrap(), Snapshot::default());
        assert_eq!(store.commit(0, &[put("a", 1), put("b", 2)]).await.unwrap(), 1);
        assert_eq!(store.commit(0, &[put("c", 3)]).await.unwrap_err().kind(), ErrorKind::Expectation);
        let moved = [Op::Move { id: "a".into(), position: 5 }, Op::Delete { id: "b".into() }, put("c", 3)];
        assert_eq!(store.commit(1, &moved).await.unwrap(), 2);
        let snapshot = store.load().await.unwrap();
        assert_eq!((snapshot.version, ids(&snapshot)), (2, vec!["c", "a"]));
        assert_eq!(snapshot.rules.iter().map(|rule| rule.version).collect::<Vec<_>>(), [2, 1]);
        // Half of a change is none.
        let half = [put("d", 9), Op::Delete { id: "gone".into() }];
        assert_eq!(store.commit(2, &half).await.unwrap_err().kind(), ErrorKind::Expectation);
        assert_eq!(store.load().await.unwrap(), snapshot);
    }

    #[tokio::test]
    async fn many_are_read_in_pages() {
        let store = Store::open(Arc::new(Sqlite::open(Options::memory()).await.unwrap())).await.unwrap();
        let many: Vec<Op> = (0..PAGE * 2).map(|at| put(&at.to_string(), at)).collect();
        store.commit(0, &many).await.unwrap();
        let snapshot = store.load().await.unwrap();
        assert_eq!(snapshot.rules.len(), many.len());
        assert!(snapshot.rules.is_sorted_by_key(|rule| rule.position));
    }
}
