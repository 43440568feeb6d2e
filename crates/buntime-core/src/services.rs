//! Typed services: what one part offers another without either knowing the other's crate.

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use crate::metadata::PluginName;

/// Services by their type, usually a trait object: `services.get::<dyn Registry>()`.
///
/// The host provides some before any plugin starts; plugins provide more, and see those of the plugins that started
/// before them. Cheap to clone; clones share.
#[derive(Clone, Default)]
pub struct Services(Arc<RwLock<HashMap<TypeId, Provided>>>);

#[derive(Clone)]
struct Provided {
    /// An `Arc<T>`, in an `Arc` so that it can be copied without knowing `T`.
    service: Arc<dyn Any + Send + Sync>,
    type_name: &'static str,
    by: Option<PluginName>,
}

/// Where relative paths in settings begin, as the program says: the directory of the configuration file. A service;
/// without it they begin at the working directory.
#[derive(Clone, Debug)]
pub struct BaseDir(pub std::path::PathBuf);

/// A service nobody provides.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{wanted_by}` needs the service `{service}`, which nothing that started before it provides; add the plugin that does, and name it in `dependsOn`"
)]
pub struct MissingService {
    wanted_by: PluginName,
    service: &'static str,
}

/// A service that is provided already.
#[derive(Debug, thiserror::Error)]
#[error("the service `{service}` is provided already, by {by}")]
pub struct AlreadyProvided {
    service: &'static str,
    by: String,
}

impl Services {
    /// Provides a service of the host.
    pub fn provide<T: ?Sized + Send + Sync + 'static>(&self, service: Arc<T>) {
        let provided = Provided { service: Arc::new(service), type_name: type_name::<T>(), by: None };
        self.write().insert(TypeId::of::<T>(), provided);
    }

    /// Provides a service of a plugin; one of each type.
    pub(crate) fn provide_by<T: ?Sized + Send + Sync + 'static>(
        &self,
        by: &PluginName,
        service: Arc<T>,
    ) -> Result<(), AlreadyProvided> {
        let mut services = self.write();
        if let Some(there) = services.get(&TypeId::of::<T>())
            && there.by.as_ref() != Some(by)
        {
            let by = there.by.as_ref().map_or_else(|| "the host".to_owned(), |name| format!("`{name}`"));
            return Err(AlreadyProvided { service: there.type_name, by });
        }
        let provided = Provided { service: Arc::new(service), type_name: type_name::<T>(), by: Some(by.clone()) };
        services.insert(TypeId::of::<T>(), provided);
        Ok(())
    }

    /// A service, if it is provided.
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let services = self.0.read().unwrap_or_else(PoisonError::into_inner);
        services.get(&TypeId::of::<T>())?.service.downcast_ref::<Arc<T>>().cloned()
    }

    pub(crate) fn require<T: ?Sized + Send + Sync + 'static>(
        &self,
        wanted_by: &PluginName,
    ) -> Result<Arc<T>, MissingService> {
        self.get().ok_or_else(|| MissingService { wanted_by: wanted_by.clone(), service: type_name::<T>() })
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<TypeId, Provided>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy that can be added to without changing this one; what those plugins provided is left out.
    pub(crate) fn fork_without(&self, gone: &[PluginName]) -> Self {
        let services = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let kept = services.iter().filter(|(_, p)| p.by.as_ref().is_none_or(|by| !gone.contains(by)));
        let fork = kept.map(|(id, p)| (*id, p.clone())).collect();
        Self(Arc::new(RwLock::new(fork)))
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services = self.0.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(services.values().map(|p| p.type_name)).finish()
    }
}
