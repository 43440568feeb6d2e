//! The adapters of a process by type, and which one is the default.

use std::{fmt, sync::Arc};

use crate::{Adapter, Tenants};

/// Adapters by type name, each type at most once, exactly one of them the default. Frozen when built.
#[derive(Clone, Debug)]
pub struct Registry {
    adapters: Arc<[Arc<dyn Adapter>]>,
    /// Of each adapter, where it has any.
    tenants: Arc<[Option<Arc<Tenants>>]>,
    default: usize,
}

/// Collects adapters; see [`Registry::builder`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    adapters: Vec<(Arc<dyn Adapter>, bool)>,
    tenants: Vec<Option<Arc<Tenants>>>,
}

impl Builder {
    /// Adds one; `default` marks it as the default. One alone is the default unmarked.
    #[must_use]
    pub fn add(mut self, adapter: Arc<dyn Adapter>, default: bool) -> Self {
        self.adapters.push((adapter, default));
        self.tenants.push(None);
        self
    }

    /// Those of the adapter that was added last.
    #[must_use]
    pub fn with_tenants(mut self, tenants: Tenants) -> Self {
        if let Some(slot) = self.tenants.last_mut() {
            *slot = Some(Arc::new(tenants));
        }
        self
    }

    /// Closes what was added, when it is not to become a registry.
    pub async fn close(self) {
        for (adapter, _) in self.adapters {
            adapter.close().await;
        }
    }

    /// Freezes it.
    ///
    /// # Errors
    /// When there is none, a type twice, or not exactly one default.
    pub fn build(self) -> Result<Registry, RegistryError> {
        let kinds: Vec<&'static str> = self.adapters.iter().map(|(adapter, _)| adapter.kind()).collect();
        if let Some((_, twice)) = kinds.iter().enumerate().find(|(at, kind)| kinds.iter().take(*at).any(|k| k == *kind))
        {
            return Err(RegistryError::Duplicate(twice));
        }
        let marked: Vec<usize> =
            self.adapters.iter().enumerate().filter(|(_, (_, default))| *default).map(|(at, _)| at).collect();
        let default = match (kinds.len(), marked.as_slice()) {
            (0, _) => return Err(RegistryError::Empty),
            (1, _) => 0,
            (_, [one]) => *one,
            (_, []) => return Err(RegistryError::NoDefault(kinds)),
            (_, several) => {
                let named = several.iter().filter_map(|at| kinds.get(*at).copied()).collect();
                return Err(RegistryError::SeveralDefaults(named));
            }
        };
        let adapters = self.adapters.into_iter().map(|(adapter, _)| adapter).collect();
        Ok(Registry { adapters, tenants: self.tenants.into(), default })
    }
}

impl Registry {
    /// Starts one.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The adapter of that type, or the default.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`], which names what there is.
    pub fn get(&self, kind: Option<&str>) -> Result<Arc<dyn Adapter>, RegistryError> {
        let found = match kind {
            None => self.adapters.get(self.default),
            Some(kind) => self.adapters.iter().find(|adapter| adapter.kind() == kind),
        };
        found.cloned().ok_or_else(|| RegistryError::Unknown {
            wanted: kind.unwrap_or("default").to_owned(),
            available: self.adapters.iter().map(|adapter| adapter.kind()).collect(),
        })
    }

    /// The tenants of the adapter of that type, or of the default. `None`: it has none.
    ///
    /// # Errors
    /// As [`Registry::get`].
    pub fn tenants(&self, kind: Option<&str>) -> Result<Option<Arc<Tenants>>, RegistryError> {
        let adapter = self.get(kind)?;
        let at = self.adapters.iter().position(|known| known.kind() == adapter.kind());
        Ok(at.and_then(|at| self.tenants.get(at).cloned().flatten()))
    }

    /// Each adapter, in the order they were added, and whether it is the default.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<dyn Adapter>, bool)> {
        self.adapters.iter().enumerate().map(|(at, adapter)| (adapter, at == self.default))
    }

    /// Closes every adapter, one after the other.
    pub async fn close(&self) {
        for tenants in self.tenants.iter().flatten() {
            tenants.close().await;
        }
        for adapter in self.adapters.iter() {
            adapter.close().await;
        }
    }
}

/// Why a registry cannot be made, or does not have what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryError {
    /// No adapter at all.
    Empty,
    /// One type twice.
    Duplicate(&'static str),
    /// Several adapters, none marked.
    NoDefault(Vec<&'static str>),
    /// Several marked.
    SeveralDefaults(Vec<&'static str>),
    /// No adapter of that type.
    Unknown {
        /// What was asked for.
        wanted: String,
        /// What there is.
        available: Vec<&'static str>,
    },
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no database adapter is configured; add one"),
            Self::Duplicate(kind) => {
                write!(f, "two database adapters of type `{kind}`; each type may be configured once")
            }
            Self::NoDefault(kinds) => {
                write!(f, "none of the database adapters {} is the default; mark one with `default: true`", list(kinds))
            }
            Self::SeveralDefaults(kinds) => {
                write!(f, "the database adapters {} are all marked `default: true`; keep one mark", list(kinds))
            }
            Self::Unknown { wanted, available } => {
                write!(f, "no database adapter of type `{wanted}`; there is {}", list(available))
            }
        }
    }
}

impl std::error::Error for RegistryError {}

fn list(kinds: &[&str]) -> String {
    kinds.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::{Error, ErrorKind, Migrated, Migration, Outcome, Result, Rows, Statement, Value};

    #[derive(Debug)]
    struct Named(&'static str);

    fn refused<T>() -> Result<T> {
        Err(Error::new(ErrorKind::Unavailable, "only a name"))
    }

    #[async_trait]
    impl Adapter for Named {
        fn kind(&self) -> &'static str {
            self.0
        }
        fn location(&self) -> String {
            "nowhere".into()
        }
        async fn execute(&self, _: &str, _: Vec<Value>) -> Result<Outcome> {
            refused()
        }
        async fn query(&self, _: &str, _: Vec<Value>) -> Result<Rows> {
            refused()
        }
        async fn transaction(&self, _: Vec<Statement>) -> Result<Vec<Outcome>> {
            refused()
        }
        async fn migrate(&self, _: &str, _: &[Migration]) -> Result<Migrated> {
            refused()
        }
        async fn health(&self) -> Result<()> {
            refused()
        }
        async fn close(&self) {}
    }

    fn build(adapters: &[(&'static str, bool)]) -> Result<Registry, RegistryError> {
        adapters
            .iter()
            .fold(Registry::builder(), |builder, (kind, default)| builder.add(Arc::new(Named(kind)), *default))
            .build()
    }

    #[test]
    fn one_alone_is_the_default() {
        let registry = build(&[("sqlite", false)]).unwrap();
        assert_eq!(registry.get(None).unwrap().kind(), "sqlite");
        assert_eq!(registry.get(Some("sqlite")).unwrap().kind(), "sqlite");
    }

    #[test]
    fn one_of_several_is_marked() {
        let registry = build(&[("sqlite", false), ("libsql", true)]).unwrap();
        assert_eq!(registry.get(None).unwrap().kind(), "libsql");
        let defaults: Vec<_> = registry.iter().map(|(adapter, default)| (adapter.kind(), default)).collect();
        assert_eq!(defaults, [("sqlite", false), ("libsql", true)]);
    }

    #[test]
    fn what_is_asked_for_and_not_there_names_what_is() {
        let registry = build(&[("sqlite", false), ("libsql", true)]).unwrap();
        assert_eq!(
            registry.get(Some("mysql")).unwrap_err().to_string(),
            "no database adapter of type `mysql`; there is `sqlite`, `libsql`"
        );
    }

    #[test]
    fn what_cannot_be_built() {
        assert_eq!(build(&[]).unwrap_err(), RegistryError::Empty);
        assert_eq!(build(&[("a", true), ("a", false)]).unwrap_err(), RegistryError::Duplicate("a"));
        assert_eq!(build(&[("a", false), ("b", false)]).unwrap_err(), RegistryError::NoDefault(vec!["a", "b"]));
        assert_eq!(build(&[("a", true), ("b", true)]).unwrap_err(), RegistryError::SeveralDefaults(vec!["a", "b"]));
    }
}
