//! From what is configured to what will be started, and in which order. Pure: nothing of a plugin but its metadata and
//! the check of its settings runs here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    chain::OrderKey,
    host::{
        level::{Resolved, resolve},
        load_error::LoadError,
        order,
        program::{Catalog, Entry, Policy, Program, Registration},
    },
    merge::Merged,
    metadata::{API_VERSION, ApiVersion, Capability, Metadata, PluginName},
    options::{FailureMode, Placement},
    plugin::Plugin,
    scope::{Level, Scope},
};

/// What will become of an entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    Start,
    Disabled(String),
    /// It cannot run here; its failure mode decides.
    Unfit(String),
}

/// One entry, ready to be started.
pub(crate) struct Planned {
    pub(crate) entry: Entry,
    /// The levels that list it, from general to specific.
    pub(crate) said: Vec<Scope>,
    /// Which of them said which setting; `None` when there is but one.
    pub(crate) merged: Option<Merged>,
    /// Which of them said which option, where there are several.
    pub(crate) options: BTreeMap<String, usize>,
    pub(crate) plugin: Arc<dyn Plugin>,
    pub(crate) metadata: Metadata,
    pub(crate) builtin: bool,
    pub(crate) base: String,
    pub(crate) key: OrderKey,
    /// Of those that are configured.
    pub(crate) depends_on: Vec<PluginName>,
    pub(crate) failure_mode: FailureMode,
    pub(crate) verdict: Verdict,
}

impl Planned {
    /// What its instance is known by: equal ones are one instance, whatever path they are on.
    pub(crate) fn id(&self) -> InstanceId {
        (self.entry.plugin.clone(), self.said.clone())
    }

    /// Is it the gateway's own, as no other level changes it?
    pub(crate) fn is_of_gateway(&self) -> bool {
        self.said == [Scope::Gateway]
    }

    /// Would a running instance that was planned like `before` be the same?
    pub(crate) fn runs_like(&self, before: &Self) -> bool {
        let (mine, theirs) = (&self.entry.options, &before.entry.options);
        self.id() == before.id()
            && self.entry.settings == before.entry.settings
            && self.merged == before.merged
            && self.base == before.base
            && mine.breaker == theirs.breaker
            && mine.hook_priorities == theirs.hook_priorities
    }
}

/// A plugin, and the levels that configured it.
pub(crate) type InstanceId = (PluginName, Vec<Scope>);

/// What is on a path that is known by the request alone, in startup order. Those that no level below the gateway
/// changes are the gateway's.
pub(crate) struct PathPlan {
    /// The service or route.
    pub(crate) scope: Scope,
    pub(crate) planned: Vec<Arc<Planned>>,
}

/// The gateway's entries in startup order, the paths of services and routes that list anything, and what is worth a
/// warning.
pub(crate) struct Plan {
    pub(crate) planned: Vec<Arc<Planned>>,
    pub(crate) paths: Vec<PathPlan>,
    pub(crate) warnings: Vec<String>,
}

/// Where a plugin is mounted: `"mydb"`, `"/mydb"` and `"/p/mydb"` are all `/p/mydb`.
pub fn normalize_base(base: &str) -> Option<String> {
    let trimmed = base.trim_matches('/');
    let name = trimmed.strip_prefix("p/").unwrap_or(trimmed);
    let sane = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fine = !name.is_empty() && name.chars().all(sane) && !name.chars().all(|c| c == '.');
    fine.then(|| format!("/p/{name}"))
}

/// Everything that is wrong, or the plan.
pub(crate) fn plan(catalog: &Catalog, program: &Program) -> Result<Plan, Vec<LoadError>> {
    let mut planner = Planner::new(catalog, program);
    let mut seen = BTreeSet::new();
    for entry in program.entries.iter().filter(|entry| !seen.insert(entry.plugin.clone())) {
        planner.errors.push(LoadError::DuplicatePlugin(entry.plugin.clone()));
    }
    let gateway = planner.path(&[]);
    check_required(catalog, program, &gateway, &mut planner.errors);
    check_bases(&gateway, &mut planner.errors);
    check_dependencies(&gateway, &mut planner.errors);
    let planned = planner.ordered(gateway);
    let scopes = &program.scopes;
    let mut paths = Vec::new();
    for scope in scopes.of_requests() {
        let path = planner.path(&scopes.way_to(&scope));
        check_dependencies(&path, &mut planner.errors);
        paths.push(PathPlan { planned: planner.ordered(path), scope });
    }
    planner.check_consumers();
    let Planner { mut errors, warnings, .. } = planner;
    if errors.is_empty() {
        return Ok(Plan { planned, paths, warnings });
    }
    dedup(&mut errors);
    Err(errors)
}

/// What a path has once it is known who calls, in startup order.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn plan_path(
    catalog: &Catalog,
    program: &Program,
    scopes: &[Scope],
) -> Result<Vec<Arc<Planned>>, Vec<LoadError>> {
    let mut planner = Planner::new(catalog, program);
    let path = planner.path(scopes);
    check_dependencies(&path, &mut planner.errors);
    let path = planner.ordered(path);
    if planner.errors.is_empty() { Ok(path) } else { Err(planner.errors) }
}

/// Settings of consumers are checked merged with those of every service and route that lists the same plugin, up to
/// this many together; what is beyond is checked when it is first used.
const MOST_CHECKED: usize = 20_000;

/// Plans paths; what several have in common is planned once.
struct Planner<'p> {
    catalog: &'p Catalog,
    program: &'p Program,
    known: BTreeMap<InstanceId, Arc<Planned>>,
    errors: Vec<LoadError>,
    warnings: Vec<String>,
}

impl<'p> Planner<'p> {
    fn new(catalog: &'p Catalog, program: &'p Program) -> Self {
        Self { catalog, program, known: BTreeMap::new(), errors: Vec::new(), warnings: Vec::new() }
    }

    /// What the gateway and these levels below it list, in the order of the configuration.
    fn path(&mut self, scopes: &[Scope]) -> Vec<Arc<Planned>> {
        let own = Level { scope: Scope::Gateway, entries: &self.program.entries, position: 0 };
        let below = scopes.iter().map(|scope| self.program.scopes.level(scope));
        let levels: Vec<Level<'_>> = std::iter::once(own).chain(below).collect();
        resolve(&levels).into_iter().filter_map(|resolved| self.planned(resolved)).collect()
    }

    fn planned(&mut self, resolved: Resolved) -> Option<Arc<Planned>> {
        let id = (resolved.entry.plugin.clone(), resolved.said.clone());
        if let Some(known) = self.known.get(&id) {
            return Some(known.clone());
        }
        let Some((registration, metadata)) = self.catalog.get(&resolved.entry.plugin) else {
            let (name, suggestion) = (resolved.entry.plugin.clone(), self.catalog.nearest(&resolved.entry.plugin));
            self.errors.push(match resolved.said.last() {
                Some(Scope::Gateway) | None => LoadError::UnknownPlugin { name, suggestion },
                Some(scope) => {
                    let reason = LoadError::UnknownPlugin { name: name.clone(), suggestion }.to_string();
                    LoadError::Scoped { scope: scope.clone(), plugin: name, reason }
                }
            });
            return None;
        };
        let planned = Arc::new(self.plan(registration, metadata, resolved));
        self.known.insert(id, planned.clone());
        Some(planned)
    }

    fn plan(&mut self, registration: &Registration, metadata: &Metadata, resolved: Resolved) -> Planned {
        let Resolved { entry, said, merged, options: options_said, position } = resolved;
        let (name, options) = (&entry.plugin, &entry.options);
        let scoped = said.last().filter(|scope| **scope != Scope::Gateway).cloned();
        let verdict = verdict(metadata, &entry, &self.program.policy);
        if let Verdict::Disabled(reason) = &verdict
            && options.enabled != Some(false)
            && scoped.is_none()
        {
            self.warnings.push(format!("`{name}` is left out: {reason}"));
        }
        if let Some(scope) = &scoped {
            self.check_scoped(metadata, name, scope, &said);
        }
        if verdict == Verdict::Start {
            let problems = registration.plugin.settings().check(&entry.settings);
            self.errors.extend(problems.into_iter().map(|problem| {
                let level = merged.as_ref().map_or(0, |merged| merged.level(&problem.pointer));
                let plugin = name.clone();
                match said.get(level).filter(|scope| **scope != Scope::Gateway).or(scoped.as_ref()) {
                    Some(scope) => {
                        LoadError::ScopedSettings { scope: scope.clone(), plugin, problem: Box::new(problem) }
                    }
                    None => LoadError::Settings { plugin, problem },
                }
            }));
        }
        let asked = options.base.as_deref().or(metadata.base.as_deref()).unwrap_or(name.bare());
        let base = normalize_base(asked).unwrap_or_else(|| {
            self.errors.push(LoadError::InvalidBase { plugin: name.clone(), base: asked.to_owned() });
            format!("/p/{}", name.bare())
        });
        if registration.builtin && options.placement.is_some_and(|p| p != Placement::Builtin) {
            self.errors.push(LoadError::BuiltinPlacement(name.clone()));
        }
        let default_placement = if registration.builtin { Placement::Builtin } else { Placement::PostBuiltin };
        let failure_mode = if self.program.policy.required.contains(name) {
            FailureMode::Abort
        } else {
            options.failure_mode.or(metadata.failure_mode).unwrap_or(self.program.policy.failure_mode)
        };
        Planned {
            plugin: registration.plugin.clone(),
            metadata: metadata.clone(),
            builtin: registration.builtin,
            base,
            key: OrderKey {
                placement: options.placement.or(metadata.placement).unwrap_or(default_placement),
                priority: options.priority.map_or(metadata.priority, |p| p.0),
                order: options.order.unwrap_or(0),
                position,
            },
            depends_on: metadata.depends_on.iter().chain(&options.depends_on).cloned().collect(),
            failure_mode,
            verdict,
            entry,
            said,
            merged,
            options: options_said,
        }
    }

    /// What an entry below the gateway may not say.
    fn check_scoped(&mut self, metadata: &Metadata, name: &PluginName, scope: &Scope, said: &[Scope]) {
        let level = self.program.scopes.level(scope);
        let Some(own) = level.entries.iter().find(|entry| entry.plugin == *name) else { return };
        let mut refuse = |reason: &str| {
            let reason = reason.to_owned();
            self.errors.push(LoadError::Scoped { scope: scope.clone(), plugin: name.clone(), reason });
        };
        if own.options.base.is_some() {
            refuse("a base can only be chosen in the gateway's own `plugins`");
        }
        let silent = own.settings.as_object().is_none_or(serde_json::Map::is_empty);
        let only_switched = silent && own.options.said().iter().all(|key| key == "enabled");
        let lists_it = said.first() == Some(&Scope::Gateway) || own.options.enabled == Some(false);
        if metadata.gateway_only && !(only_switched && lists_it) {
            refuse(
                "there is one instance of it for all that comes in; configure it in the gateway's own `plugins`, and \
                 here say no more than `enabled`",
            );
        }
        if scope.is_of_consumers() && metadata.has(Capability::AuthProvider) {
            refuse(
                "it says who calls, so it cannot be configured by who calls; list it for the gateway, a service or a route",
            );
        }
    }

    /// What consumers and their groups say, merged with every path that lists the same plugins.
    fn check_consumers(&mut self) {
        let scopes = &self.program.scopes;
        let mut combinations: BTreeSet<Vec<Scope>> = scopes.of_consumers().map(|scope| vec![scope]).collect();
        combinations.extend(scopes.consumers.iter().map(|consumer| scopes.of_consumer(consumer)));
        combinations.remove(&Vec::new());
        let lists = |scope: &Scope| -> Vec<&PluginName> {
            scopes.level(scope).entries.iter().map(|entry| &entry.plugin).collect()
        };
        let mut ways: Vec<(Vec<Scope>, BTreeSet<&PluginName>)> = vec![(Vec::new(), BTreeSet::new())];
        for scope in scopes.of_requests() {
            let way = scopes.way_to(&scope);
            let listed = way.iter().flat_map(lists).collect();
            ways.push((way, listed));
        }
        let mut left = MOST_CHECKED;
        for combination in &combinations {
            let listed: BTreeSet<&PluginName> = combination.iter().flat_map(lists).collect();
            for (way, _) in ways.iter().filter(|(way, on_way)| way.is_empty() || !on_way.is_disjoint(&listed)) {
                if left == 0 {
                    return;
                }
                left -= 1;
                let path: Vec<Scope> = way.iter().chain(combination).cloned().collect();
                let path = self.path(&path);
                check_dependencies(&path, &mut self.errors);
            }
        }
    }

    /// In startup order; as they are when they depend on each other in a circle, which is an error.
    fn ordered(&mut self, planned: Vec<Arc<Planned>>) -> Vec<Arc<Planned>> {
        match order::startup_order(&planned) {
            Ok(order) => order.into_iter().map(|index| planned[index].clone()).collect(),
            Err(cycle) => {
                // A circle of one is told as what it is already.
                self.errors.extend(Some(LoadError::Cycle(cycle)).filter(|error| !error.is_of_one()));
                planned
            }
        }
    }
}

/// Several paths may have the same mistake.
fn dedup(errors: &mut Vec<LoadError>) {
    let mut kept: Vec<LoadError> = Vec::new();
    for error in errors.drain(..) {
        if !kept.contains(&error) {
            kept.push(error);
        }
    }
    *errors = kept;
}

/// Before any code of the plugin but its metadata runs.
fn verdict(metadata: &Metadata, entry: &Entry, policy: &Policy) -> Verdict {
    if entry.options.enabled == Some(false) {
        return Verdict::Disabled("switched off in the configuration".to_owned());
    }
    if policy.allowlist.as_ref().is_some_and(|list| !list.contains(&entry.plugin)) {
        return Verdict::Disabled("it is not in BUNTIME_PLUGINS_ALLOWLIST".to_owned());
    }
    if let Some(allowed) = &policy.allowed_capabilities
        && let Some(refused) = metadata.capabilities.iter().find(|c| !allowed.contains(c))
    {
        return Verdict::Disabled(format!("its capability `{refused}` is not in BUNTIME_PLUGINS_ALLOWED_CAPABILITIES"));
    }
    if !metadata.api.runs_on(API_VERSION) {
        let ApiVersion { major, minor } = API_VERSION;
        return Verdict::Unfit(format!(
            "it was built for plugin API {}, this host offers {major}.{minor}",
            metadata.api
        ));
    }
    match metadata.capabilities.iter().find(|c| c.is_reserved()) {
        Some(reserved) => Verdict::Unfit(format!("its capability `{reserved}` is reserved: there is no interface yet")),
        None => Verdict::Start,
    }
}

fn check_required(catalog: &Catalog, program: &Program, planned: &[Arc<Planned>], errors: &mut Vec<LoadError>) {
    for name in &program.policy.required {
        let reason = match planned.iter().find(|p| p.entry.plugin == *name).map(|p| &p.verdict) {
            Some(Verdict::Start) => continue,
            Some(Verdict::Disabled(reason) | Verdict::Unfit(reason)) => reason.clone(),
            None if catalog.get(name).is_none() => match catalog.nearest(name) {
                Some(near) => format!("there is no such plugin; did you mean `{near}`?"),
                None => "there is no such plugin".to_owned(),
            },
            None => "it is not in `plugins`".to_owned(),
        };
        errors.push(LoadError::Required { name: name.clone(), reason });
    }
}

fn check_bases(planned: &[Arc<Planned>], errors: &mut Vec<LoadError>) {
    let mut bases: BTreeMap<&str, &PluginName> = BTreeMap::new();
    for one in planned.iter().filter(|p| p.verdict == Verdict::Start) {
        if let Some(first) = bases.insert(&one.base, &one.entry.plugin) {
            errors.push(LoadError::SameBase {
                first: first.clone(),
                second: one.entry.plugin.clone(),
                base: one.base.clone(),
            });
        }
    }
}

/// Every dependency must be among those that are configured.
fn check_dependencies(planned: &[Arc<Planned>], errors: &mut Vec<LoadError>) {
    let configured: BTreeSet<&PluginName> = planned.iter().map(|p| &p.entry.plugin).collect();
    for one in planned.iter().filter(|p| p.verdict == Verdict::Start) {
        let name = &one.entry.plugin;
        for dependency in &one.depends_on {
            if dependency == name {
                errors.push(LoadError::SelfDependency(name.clone()));
            } else if !configured.contains(dependency) {
                errors.push(LoadError::MissingDependency { plugin: name.clone(), dependency: dependency.clone() });
            }
        }
    }
}
