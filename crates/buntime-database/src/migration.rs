//! Migrations: which of a component's scripts a database has yet to run. Engine-independent; adapters run them.
//!
//! Applied migrations are a prefix of the list, always: a list that was edited, reordered or shortened is refused
//! before anything runs.

use std::borrow::Cow;

use crate::{Error, ErrorKind, Result};

/// One step of a component's schema. Never edited once released: add another instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Unique among the component's, by custom numbered: `0001-create`.
    pub id: Cow<'static, str>,
    /// Any number of statements; no transaction control. In `CREATE TABLE` and `ALTER TABLE` the words of SQLite mean the
    /// same everywhere: `INTEGER` (64 bits), `REAL` (8 bytes), `BLOB`, `TEXT`, `INTEGER PRIMARY KEY` (numbered by
    /// itself), `STRICT`, `WITHOUT ROWID`. What one script cannot say to all engines is chosen by
    /// [`crate::Adapter::kind`].
    pub sql: Cow<'static, str>,
}

impl Migration {
    /// A migration.
    pub fn new(id: impl Into<Cow<'static, str>>, sql: impl Into<Cow<'static, str>>) -> Self {
        Self { id: id.into(), sql: sql.into() }
    }

    /// FNV-1a, 64 bits, of the script without the white space around it. Guards against an edit by mistake, not
    /// against malice: who can write the record can write the tables.
    pub(crate) fn checksum(&self) -> String {
        let hash = self
            .sql
            .trim()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{hash:016x}")
    }
}

/// A migration that the database remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) id: String,
    pub(crate) checksum: String,
}

/// Those of `migrations` that are yet to be run.
pub(crate) fn pending<'a>(
    component: &str,
    recorded: &[Recorded],
    migrations: &'a [Migration],
) -> Result<&'a [Migration]> {
    let refuse = |what: String| Err(Error::new(ErrorKind::Migration, format!("component `{component}`: {what}")));
    for (at, migration) in migrations.iter().enumerate() {
        if migrations.iter().take(at).any(|earlier| earlier.id == migration.id) {
            return refuse(format!("migration `{}` is listed twice; give each an id of its own", migration.id));
        }
    }
    for (at, seen) in recorded.iter().enumerate() {
        match migrations.get(at) {
            Some(known) if known.id != seen.id => {
                return refuse(format!(
                    "the database applied `{}` where the list now has `{}`; migrations may only be added at the end",
                    seen.id, known.id
                ));
            }
            Some(known) if known.checksum() != seen.checksum => {
                return refuse(format!(
                    "migration `{}` was changed after it was applied; restore its text and add another migration",
                    seen.id
                ));
            }
            Some(_) => {}
            None => {
                return refuse(format!(
                    "the database has migration `{}`, which this program does not know: it was written by a newer \
                     version; run that one, or restore a backup",
                    seen.id
                ));
            }
        }
    }
    Ok(migrations.get(recorded.len()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(ids: &[&'static str]) -> Vec<Migration> {
        ids.iter().map(|id| Migration::new(*id, format!("CREATE TABLE {id} (x)"))).collect()
    }

    fn recorded(migrations: &[Migration]) -> Vec<Recorded> {
        migrations.iter().map(|m| Recorded { id: m.id.to_string(), checksum: m.checksum() }).collect()
    }

    fn refusal(seen: &[Recorded], migrations: &[Migration]) -> String {
        let error = pending("kv", seen, migrations).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Migration);
        error.detail().to_owned()
    }

    #[test]
    fn what_is_left() {
        let all = list(&["a", "b", "c"]);
        assert_eq!(pending("kv", &[], &all).unwrap(), &all[..]);
        assert_eq!(pending("kv", &recorded(&all[..2]), &all).unwrap(), &all[2..]);
        assert!(pending("kv", &recorded(&all), &all).unwrap().is_empty());
    }

    #[test]
    fn history_cannot_be_rewritten() {
        let all = list(&["a", "b", "c"]);
        let seen = recorded(&all[..2]);
        assert!(refusal(&seen, &list(&["b", "a"])).contains("applied `a` where the list now has `b`"));
        assert!(refusal(&seen, &all[..1]).contains("`b`, which this program does not know"));
        let mut edited = all;
        edited[1].sql = "CREATE TABLE other (x)".into();
        assert!(refusal(&seen, &edited).contains("`b` was changed"));
        assert!(refusal(&[], &list(&["a", "a"])).contains("listed twice"));
    }

    #[test]
    fn white_space_around_a_script_is_no_change() {
        assert_eq!(Migration::new("a", " SELECT 1\n").checksum(), Migration::new("a", "SELECT 1").checksum());
    }
}
