//! Numbers and entries as the tables hold them.

use buntime_database::{RowRef, ValueRef as Sql};

use crate::{Entry, EntryRef, Error, Key, Result, ValueRef, Versionstamp};

/// Of a number that fits: times and versions, which end long after 64 bits with a sign do.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn version(number: i64) -> Versionstamp {
    Versionstamp::new(unsigned(number))
}

/// The columns that [`entry`] reads.
pub(super) const ENTRY: &str = "key, value, encoding, version, expires_at";

/// Those that [`entry_ref`] reads.
pub(super) const LASTING: &str = "key, value, encoding, version";

/// An entry where it lies, without its expiry, of a row that begins with [`LASTING`].
pub(super) fn entry_ref(row: RowRef<'_>) -> Result<EntryRef<'_>> {
    match (row.at(0)?, row.at(1)?, row.at(2)?, row.at(3)?) {
        (Sql::Blob(key), Sql::Blob(data), Sql::Integer(encoding), Sql::Integer(written)) => {
            Ok(EntryRef { key, value: ValueRef::from_parts(encoding, data)?, versionstamp: version(written) })
        }
        _ => Err(Error::Database("a row of kv_entries is not what was written".into())),
    }
}

/// An entry of a row that begins with [`ENTRY`].
pub(super) fn entry<'a>(row: impl Into<RowRef<'a>>) -> Result<Entry> {
    let row = row.into();
    let EntryRef { key, value, versionstamp } = entry_ref(row)?;
    let expires_at = match row.at(4)? {
        Sql::Integer(at) => Some(unsigned(at)),
        _ => None,
    };
    Ok(Entry { key: Key::trusted(key), value: value.into(), versionstamp, expires_at })
}
