//! Does what groups and consumers list ever run? Only hooks behind the auth provider do: before it nobody knows who
//! calls.

use std::sync::Arc;

use crate::{
    Http,
    chain::{Chain, OrderKey},
    host::{
        branches::{Book, scopes_text},
        load_error::LoadError,
        plan::{Planned, Verdict, plan_path},
        program::Program,
    },
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
    let mut errors = Vec::new();
    for scope in program.scopes.of_consumers() {
        let Ok(path) = plan_path(book.catalog(), program, std::slice::from_ref(&scope)) else { continue };
        for planned in path.iter().filter(|planned| planned.said.contains(&scope)) {
            let Some(keys) = keys(book, planned, warnings).await else { continue };
            let last = keys.iter().max();
            if last.is_none_or(|last| *last > auth.key) {
                continue;
            }
            let (mine, theirs) = (last.map_or(0, |key| key.priority), auth.key.priority);
            let reason = format!(
                "its hooks stand at {mine} at the latest, before `{}` ({theirs}) has said who calls, so it would never \
                 run; give it a `priority` above {theirs}, or list it for the gateway, a service or a route",
                auth.member.plugin
            );
            errors.push(LoadError::Scoped { scope: scope.clone(), plugin: planned.entry.plugin.clone(), reason });
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
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
