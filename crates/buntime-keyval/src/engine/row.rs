//! Numbers and entries as the tables hold them.

use buntime_database::{RowRef, ValueRef as Sql};

use crate::{Entry, Error, Key, Result, Value, Versionstamp};

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

/// An entry of a row that begins with [`ENTRY`].
pub(super) fn entry<'a>(row: impl Into<RowRef<'a>>) -> Result<Entry> {
    let row = row.into();
    match (row.at(0)?, row.at(1)?, row.at(2)?, row.at(3)?, row.at(4)?) {
        (Sql::Blob(key), Sql::Blob(data), Sql::Integer(encoding), Sql::Integer(written), expires) => Ok(Entry {
            key: Key::trusted(key),
            value: Value::from_parts(encoding, data)?,
            versionstamp: version(written),
            expires_at: match expires {
                Sql::Integer(at) => Some(unsigned(at)),
                _ => None,
            },
        }),
        _ => Err(Error::Database("a row of kv_entries is not what was written".into())),
    }
}
