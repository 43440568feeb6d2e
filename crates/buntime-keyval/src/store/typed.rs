//! Values of Rust's types.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, de::DeserializeOwned};

use super::Store;
use crate::{Atomic, Key, Result, Value, Versionstamp};

/// Values of Rust's types.
impl Store {
    /// The value of a key as one of Rust's types.
    ///
    /// # Errors
    /// As [`Store::get`], and [`InvalidValue`](crate::Error::InvalidValue) if it is none of that type.
    pub async fn get_as<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        self.get(key).await?.map(|entry| entry.to()).transpose()
    }

    /// Sets an entry.
    ///
    /// # Errors
    /// As [`Store::commit`], and [`InvalidValue`](crate::Error::InvalidValue) for what cannot be serialized.
    pub async fn set<T: Serialize + ?Sized>(&self, key: Key, value: &T) -> Result<Versionstamp> {
        self.write(Atomic::new().set(key, Value::of(value)?)).await
    }

    /// Sets an entry that ceases to be after that time, by this machine's clock.
    ///
    /// # Errors
    /// As [`Store::set`].
    pub async fn set_for<T: Serialize + ?Sized>(&self, key: Key, value: &T, time: Duration) -> Result<Versionstamp> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let until = u64::try_from(since.saturating_add(time).as_millis()).unwrap_or(u64::MAX);
        self.write(Atomic::new().set_until(key, Value::of(value)?, until)).await
    }
}
