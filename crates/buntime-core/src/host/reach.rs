//! Does what groups and consumers list ever run? Only hooks behind the auth provider do: before it nobody knows who
//! calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    Http,
    chain::{Chain, OrderKey},
    host::{
        book::Book,
        branches::scopes_text,
        load_error::LoadError,
        plan::{Planned, Verdict, plan_path},
        program::Program,
    },
    metadata::PluginName,
    scope::Scope,
};

/// # Errors
/// Every entry all of whose hooks stand before the auth provider, on every path.
pub(crate) async fn check<'c>(
    program: &Program,
    book: &Book,
    splits: impl Iterator<Item = &'c Arc<Chain<Http>>>,
    warnings: &mut Vec<String>,
) -> Result<(), Vec<LoadError>> {
    // The earliest: what cannot run behind that one cannot run anywhere.
    let ends = splits.filter_map(|chain| chain.links().get(chain.split() - 1));
    let Some(auth) = ends.min_by_key(|link| link.key) else {
        warnings.push(
            "consumers and groups list plugins, but nothing says who calls: add an auth plugin, or give consumers an \
             `apiKey`"
                .to_owned(),
        );
        return Ok(());
    };
    // With others an entry may stand elsewhere than alone: a group may move what its consumer lists.
    let mut latest: BTreeMap<(Scope, PluginName), Option<OrderKey>> = BTreeMap::new();
    for together in combinations(program) {
        let Ok(path) = plan_path(book.catalog(), program, &together) else { continue };
        for planned in path.iter().filter(|planned| planned.said.iter().any(Scope::is_of_consumers)) {
            let Some(keys) = keys(book, planned, warnings).await else { continue };
            for scope in planned.said.iter().filter(|scope| scope.is_of_consumers()) {
                let last = latest.entry((scope.clone(), planned.entry.plugin.clone())).or_default();
                *last = (*last).max(keys.iter().max().copied());
            }
        }
    }
    let mut errors = Vec::new();
    let early = latest.into_iter().filter_map(|(entry, last)| Some((entry, last.filter(|last| *last <= auth.key)?)));
    for ((scope, plugin), last) in early {
        if runs_somewhere(program, book, (&scope, &plugin), auth.key, warnings).await {
            continue;
        }
        let (mine, theirs) = (last.priority, auth.key.priority);
        let reason = format!(
            "its hooks stand at {mine} at the latest, before `{}` ({theirs}) has said who calls, so it would never run; \
             give it a `priority` above {theirs}, or list it for the gateway, a service or a route",
            auth.member.plugin
        );
        errors.push(LoadError::Scoped { scope, plugin, reason });
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Does a service or route move an entry of a group or consumer behind the auth provider?
async fn runs_somewhere(
    program: &Program,
    book: &Book,
    (scope, plugin): (&Scope, &PluginName),
    auth: OrderKey,
    warnings: &mut Vec<String>,
) -> bool {
    let scopes = &program.scopes;
    let lists = |one: &Scope| scopes.level(one).entries.iter().any(|entry| entry.plugin == *plugin);
    let ways = scopes.of_requests().filter(lists).map(|scope| scopes.way_to(&scope)).collect::<Vec<_>>();
    for together in combinations(program).into_iter().filter(|together| together.contains(scope)) {
        for way in &ways {
            let path: Vec<Scope> = way.iter().chain(&together).cloned().collect();
            let Ok(path) = plan_path(book.catalog(), program, &path) else { continue };
            let Some(planned) = path.iter().find(|planned| planned.entry.plugin == *plugin) else { continue };
            if keys(book, planned, warnings).await.is_some_and(|keys| keys.iter().any(|key| *key > auth)) {
                return true;
            }
        }
    }
    false
}

/// What applies together: for each consumer, and alone for a group that no consumer is in.
fn combinations(program: &Program) -> BTreeSet<Vec<Scope>> {
    let scopes = &program.scopes;
    let mut all: BTreeSet<Vec<Scope>> =
        scopes.consumers.iter().map(|consumer| scopes.of_consumer(consumer)).filter(|one| !one.is_empty()).collect();
    let used: BTreeSet<Scope> = all.iter().flatten().cloned().collect();
    all.extend(scopes.of_consumers().filter(|scope| !used.contains(scope)).map(|scope| vec![scope]));
    all
}

/// Where the hooks of an entry would stand. Which hooks a plugin has only an instance knows: one that runs, or else
/// this entry's own is started. `None`: there is nothing to say.
async fn keys(book: &Book, planned: &Arc<Planned>, warnings: &mut Vec<String>) -> Option<Vec<OrderKey>> {
    let instance = match book.any_of(&planned.entry.plugin) {
        Some(running) => running,
        None if planned.verdict == Verdict::Start => match book.instance(planned).await {
            Ok(started) => started,
            Err(reason) => {
                let (plugin, scopes) = (&planned.entry.plugin, scopes_text(&planned.said));
                warnings.push(format!("`{plugin}` did not start for {scopes}: {reason}"));
                return None;
            }
        },
        None => return None,
    };
    Some(instance.keys::<Http>(planned)).filter(|keys| !keys.is_empty())
}
