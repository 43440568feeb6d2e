//! From a rule's settings to a rule that runs.

use std::sync::Arc;

use buntime_core::SettingsProblem;
use tokio_util::sync::CancellationToken;

use crate::{config::RuleSettings, draft::Draft, rule::Rule, table::Entry};

/// What every rule of one plugin has in common.
#[derive(Clone, Debug)]
pub(crate) struct Opener {
    /// The plugin's name, for what is told of a match.
    pub(crate) plugin: Arc<str>,
    /// Ends relayed connections where no listener says when.
    pub(crate) stopping: CancellationToken,
}

impl Opener {
    /// Opens a rule whose settings stand at `place`, a JSON pointer.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn open(
        &self,
        place: &str,
        id: &str,
        name: &str,
        settings: RuleSettings,
    ) -> Result<Entry, Vec<SettingsProblem>> {
        let draft = Draft::read(place, &settings)?;
        let rule = Rule::open(id, name, settings, draft, self.stopping.clone());
        // What is left is what only this machine knows, such as its certificate authorities.
        let rule = rule.map_err(|error| vec![SettingsProblem::new(format!("{place}/target"), error.to_string())])?;
        Ok(Entry::new(rule, &self.plugin))
    }
}
