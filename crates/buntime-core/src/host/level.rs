//! What the levels of one path say together of each plugin.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    host::program::Entry,
    merge::Merged,
    metadata::PluginName,
    scope::{Level, Scope},
};

/// One plugin as a path has it.
pub(crate) struct Resolved {
    /// What all levels say together.
    pub(crate) entry: Entry,
    /// The levels that list it, from general to specific.
    pub(crate) said: Vec<Scope>,
    /// Which of them said what; `None` when there is but one.
    pub(crate) merged: Option<Merged>,
    /// The level that said an option last, where there are several levels.
    pub(crate) options: BTreeMap<String, usize>,
    /// Where it was listed first.
    pub(crate) position: usize,
}

/// Every plugin that any level lists, in the order in which they are listed first.
pub(crate) fn resolve(levels: &[Level<'_>]) -> Vec<Resolved> {
    let mut all: Vec<Resolved> = Vec::new();
    let mut index: BTreeMap<PluginName, usize> = BTreeMap::new();
    for level in levels {
        for (position, entry) in level.entries.iter().enumerate() {
            match index.get(&entry.plugin) {
                Some(at) => all[*at].lay(entry, level.scope.clone()),
                None => {
                    index.insert(entry.plugin.clone(), all.len());
                    all.push(Resolved {
                        entry: entry.clone(),
                        said: vec![level.scope.clone()],
                        merged: None,
                        options: BTreeMap::new(),
                        position: level.position + position,
                    });
                }
            }
        }
    }
    for one in &mut all {
        // What a level below the gateway says alone may hold nulls for what nobody said.
        if one.merged.is_none() && one.said[0] != Scope::Gateway {
            one.entry.settings = Merged::new(&table(&one.entry.settings), 0).into_value();
        }
    }
    all
}

impl Resolved {
    fn lay(&mut self, entry: &Entry, scope: Scope) {
        let level = self.said.len();
        if self.merged.is_none() {
            self.merged = Some(Merged::new(&table(&self.entry.settings), 0));
            self.options = self.entry.options.said().into_iter().map(|key| (key, 0)).collect();
        }
        self.said.push(scope);
        self.options.extend(entry.options.said().into_iter().map(|key| (key, level)));
        self.entry.options = std::mem::take(&mut self.entry.options).overlaid(&entry.options);
        if let Some(merged) = &mut self.merged {
            merged.lay(&table(&entry.settings), level);
            self.entry.settings = merged.value().clone();
        }
    }
}

/// No settings are an empty table.
fn table(settings: &Value) -> Value {
    if settings.is_null() { Value::Object(Map::new()) } else { settings.clone() }
}
