//! Changes made through the admin API: planned on a copy, applied by the host, kept in the database.

use std::sync::Arc;

use buntime_config::PluginEntry;
use buntime_core::{
    Error, ErrorKind, LoadError, PluginName,
    options::{Placement, Priority},
};
use buntime_database::ErrorKind as StoreErrorKind;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Current, Keeper};
use crate::{
    admin::failure::Failure,
    overlay::{
        Key, Overlay,
        merge::{join_patches, overruled},
    },
};

/// What may be changed of a plugin. What is left out stays.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Edit {
    pub(crate) enabled: Option<bool>,
    pub(crate) placement: Option<Placement>,
    pub(crate) order: Option<i32>,
    pub(crate) priority: Option<Priority>,
    /// A JSON merge patch.
    pub(crate) config: Option<Map<String, Value>>,
}

/// Where a plugin of a sequence is to stand.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) name: PluginName,
    pub(crate) placement: Placement,
    pub(crate) order: i32,
}

/// What was in force, and what shall be.
struct Draft<'a> {
    current: &'a Current,
    entries: Vec<PluginEntry>,
    overlay: Overlay,
}

impl Draft<'_> {
    fn is_in_file(&self, name: &PluginName) -> bool {
        self.current.loaded.config.plugin(name).is_some()
    }

    fn is_there(&self, name: &PluginName) -> bool {
        self.entries.iter().any(|entry| entry.name == *name)
    }

    fn edit(&mut self, name: &PluginName, edit: Edit) {
        let mut set = |key, value| self.overlay.set(name, key, value);
        if let Some(enabled) = edit.enabled {
            set(Key::Enabled, json!(enabled));
        }
        if let Some(placement) = edit.placement {
            set(Key::Placement, json!(placement));
        }
        if let Some(order) = edit.order {
            set(Key::Order, json!(order));
        }
        if let Some(priority) = edit.priority {
            set(Key::Priority, json!(priority));
        }
        for (key, patch) in edit.config.unwrap_or_default() {
            self.patch(name, Key::Config(key), patch);
        }
    }

    /// On top of an earlier patch of the same setting, if that one is in force.
    fn patch(&mut self, name: &PluginName, key: Key, patch: Value) {
        let said = overruled(&self.current.loaded.config.plugins, &self.overlay, name).contains(&key.to_string());
        let earlier = self.overlay.get(name, &key).filter(|change| change.version > self.current.since || !said);
        let value = match earlier.map(|change| change.value.clone()) {
            Some(mut joined) => {
                join_patches(&mut joined, &patch);
                joined
            }
            None => patch,
        };
        self.overlay.set(name, key, value);
    }
}

impl Keeper {
    /// Adds a plugin that the program knows and that is not configured.
    pub(crate) async fn add(self: &Arc<Self>, name: PluginName, edit: Edit) -> Result<(), Failure> {
        if self.catalog().get(&name).is_none() {
            return Err(Error::new(ErrorKind::NotFound).with_detail(format!("There is no plugin `{name}`")).into());
        }
        self.change(move |draft| {
            if draft.is_there(&name) {
                return Err(conflict(format!("`{name}` is there already; change it with PUT")));
            }
            draft.overlay.forget(&name);
            draft.overlay.set(&name, Key::Added, Value::Bool(true));
            draft.edit(&name, edit);
            Ok(())
        })
        .await
    }

    /// Changes one. Returns the keys that the file speaks of too.
    pub(crate) async fn edit(self: &Arc<Self>, name: PluginName, edit: Edit) -> Result<Vec<String>, Failure> {
        let changed = name.clone();
        self.change(move |draft| {
            if !draft.is_there(&name) {
                return Err(unknown(&name));
            }
            draft.edit(&name, edit);
            Ok(())
        })
        .await?;
        let current = self.current.lock().await;
        Ok(overruled(&current.loaded.config.plugins, &current.overlay, &changed))
    }

    /// Removes one that was added.
    pub(crate) async fn remove(self: &Arc<Self>, name: PluginName) -> Result<(), Failure> {
        self.change(move |draft| {
            if draft.is_in_file(&name) {
                return Err(conflict(format!(
                    "`{name}` is listed in the configuration file; remove it there, or switch it off with PUT"
                )));
            }
            if !draft.overlay.has_added(&name) {
                return Err(unknown(&name));
            }
            draft.overlay.forget(&name);
            Ok(())
        })
        .await
    }

    /// Places several, all or none.
    pub(crate) async fn arrange(self: &Arc<Self>, places: Vec<Place>) -> Result<(), Failure> {
        self.check_sequence(&places)?;
        self.change(move |draft| {
            for place in places {
                draft.overlay.set(&place.name, Key::Placement, json!(place.placement));
                draft.overlay.set(&place.name, Key::Order, json!(place.order));
            }
            Ok(())
        })
        .await
    }

    fn check_sequence(&self, places: &[Place]) -> Result<(), Failure> {
        let reports = self.host.live().plugins();
        for (index, place) in places.iter().enumerate() {
            let name = &place.name;
            let report = reports.iter().find(|one| one.short == *name).ok_or_else(|| unknown(name))?;
            if places.iter().take(index).any(|earlier| earlier.name == *name) {
                return Err(malformed(format!("`{name}` is in the sequence twice"), format!("/sequence/{index}/name")));
            }
            let moved = place.placement != Placement::Builtin || place.order != report.order;
            if !report.is_custom && moved {
                let detail = format!("`{name}` is built in and keeps its place; leave it out of the sequence");
                return Err(malformed(detail, format!("/sequence/{index}")));
            }
        }
        let place_of = |name: &PluginName| {
            let report = reports.iter().find(|one| one.short == *name)?;
            let placed = places.iter().find(|place| place.name == *name);
            let (placement, order) = placed.map_or((report.placement, report.order), |p| (p.placement, p.order));
            Some((placement, report.priority, order))
        };
        for report in &reports {
            for needed in &report.depends_on {
                let moves = places.iter().any(|place| place.name == report.short || place.name == *needed);
                if moves && place_of(&report.short) < place_of(needed) {
                    let name = &report.short;
                    return Err(conflict(format!("`{name}` depends on `{needed}` and cannot stand before it")));
                }
            }
        }
        Ok(())
    }

    /// Starts one anew.
    pub(crate) async fn restart(self: &Arc<Self>, name: PluginName) -> Result<(), Failure> {
        let keeper = Arc::clone(self);
        self.whole(async move {
            let current = keeper.current.lock().await;
            if !current.entries().iter().any(|entry| entry.name == name) {
                return Err(unknown(&name));
            }
            keeper.host.restart(&name).await.map_err(|errors| refused(&errors))?;
            keeper.shared.routes.current();
            Ok(())
        })
        .await?
    }

    async fn change(
        self: &Arc<Self>,
        plan: impl FnOnce(&mut Draft<'_>) -> Result<(), Failure> + Send + 'static,
    ) -> Result<(), Failure> {
        let keeper = Arc::clone(self);
        self.whole(async move { keeper.change_here(plan).await }).await?
    }

    async fn change_here(&self, plan: impl FnOnce(&mut Draft<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut current = self.current.lock().await;
        let mut draft = Draft { entries: current.entries(), overlay: current.overlay.clone(), current: &current };
        plan(&mut draft)?;
        let next = Current { overlay: draft.overlay, ..current.same() };
        self.host.apply(next.program(self.catalog())).await.map_err(|errors| refused(&errors))?;
        match self.store.save(&current.overlay, next.overlay).await {
            Ok(overlay) => {
                current.overlay = overlay;
                self.shared.routes.current();
                Ok(())
            }
            Err(error) => {
                self.take_back(&current).await;
                if error.kind() == StoreErrorKind::Expectation {
                    return Err(conflict("Another node has just changed something; try again".to_owned()));
                }
                Err(Error::internal(error).with_internal("the change could not be kept").into())
            }
        }
    }

    /// What cannot be kept is not left running either.
    async fn take_back(&self, current: &Current) {
        if let Err(errors) = self.host.apply(current.program(self.catalog())).await {
            let list: Vec<String> = errors.iter().map(ToString::to_string).collect();
            tracing::error!("a change that could not be kept could not be taken back either: {}", list.join("; "));
        }
        self.shared.routes.current();
    }
}

pub(crate) fn unknown(name: &PluginName) -> Failure {
    Error::new(ErrorKind::NotFound).with_detail(format!("No plugin `{name}` is configured")).into()
}

fn conflict(detail: String) -> Failure {
    Error::new(ErrorKind::Conflict).with_detail(detail).into()
}

fn malformed(detail: String, pointer: String) -> Failure {
    Failure::from(Error::new(ErrorKind::Malformed).with_detail(detail)).with("pointer", Value::String(pointer))
}

/// Why the host did not take it.
fn refused(errors: &[LoadError]) -> Failure {
    let kind = errors.first().map_or(ErrorKind::Unprocessable, |error| match error {
        LoadError::BuiltinPlacement(_) | LoadError::InvalidBase { .. } => ErrorKind::Malformed,
        LoadError::UnknownPlugin { .. } => ErrorKind::NotFound,
        LoadError::MissingDependency { .. }
        | LoadError::SelfDependency(_)
        | LoadError::Cycle(_)
        | LoadError::Required { .. }
        | LoadError::SameBase { .. }
        | LoadError::DuplicatePlugin(_) => ErrorKind::Conflict,
        _ => ErrorKind::Unprocessable,
    });
    let problems: Vec<Value> = errors.iter().map(problem).collect();
    let detail = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    Failure::from(Error::new(kind).with_detail(detail)).with("problems", Value::Array(problems))
}

fn problem(error: &LoadError) -> Value {
    match error {
        LoadError::Settings { plugin, problem } => json!({
            "plugin": plugin, "pointer": format!("/config{}", problem.pointer),
            "message": problem.message, "help": problem.help,
        }),
        other => json!({ "message": other.to_string() }),
    }
}
