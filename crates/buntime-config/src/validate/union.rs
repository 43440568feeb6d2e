//! `anyOf` and `oneOf`: finds the branch that was meant, and reports what is wrong with that one.

use serde_json::Value;

use super::{Validator, scalar};
use crate::{
    diagnostics::Diagnostic,
    tree::{Data, Node, Path},
};

impl<'s> Validator<'s> {
    pub(super) fn check_union(&self, branches: &'s [Value], node: &Node, path: &mut Path, out: &mut Vec<Diagnostic>) {
        // A union in a union (schemars writes an optional enum like this) is one union.
        let mut flat = Vec::new();
        self.flatten(branches, &mut flat, 0);
        let mut fitting = Vec::new();
        for &branch in &flat {
            if self.may_be(branch, node) {
                let mut found = Vec::new();
                self.check(branch, node, path, &mut found);
                if found.is_empty() {
                    return;
                }
                fitting.push((branch, found));
            }
        }
        if fitting.is_empty() {
            out.push(scalar::type_error(&self.all_types(&flat), node, path));
            return;
        }
        if let Some(error) = self.no_such_word(&flat, &fitting, node, path) {
            out.push(error);
            return;
        }
        if let Some(tag) = self.tag(&fitting)
            && let Data::Table(_) = node.data
        {
            self.check_tagged(tag, fitting, node, path, out);
            return;
        }
        if self.check_one_key(&fitting, node, path, out) {
            return;
        }
        // Of several branches the one with the fewest mistakes was meant, of equals the first.
        let best = fitting.into_iter().map(|(_, found)| found).min_by_key(Vec::len);
        out.extend(best.unwrap_or_default());
    }

    fn flatten(&self, branches: &'s [Value], flat: &mut Vec<&'s Value>, depth: usize) {
        for branch in branches {
            let resolved = self.resolved(branch);
            let nested = ["anyOf", "oneOf"].into_iter().find_map(|keyword| resolved[keyword].as_array());
            let is_unit =
                branch["$ref"].as_str().is_some_and(|name| name.ends_with("/Duration") || name.ends_with("/Size"));
            match nested {
                Some(nested) if depth < 8 && !is_unit && resolved.get("properties").is_none() => {
                    self.flatten(nested, flat, depth + 1);
                }
                _ => flat.push(branch),
            }
        }
    }

    /// Has a branch the JSON type of the value?
    fn may_be(&self, branch: &'s Value, node: &Node) -> bool {
        let types = self.types_of(branch);
        types.is_empty() || types.iter().any(|name| scalar::is_of(name, node))
    }

    fn types_of(&self, branch: &'s Value) -> Vec<&'s str> {
        let resolved = self.resolved(branch);
        let types = scalar::types(resolved);
        if !types.is_empty() {
            return types;
        }
        if let Some(words) = scalar::words(resolved) {
            return words.iter().map(|word| type_name(word)).collect();
        }
        // Durations and sizes.
        resolved["anyOf"].as_array().into_iter().flatten().flat_map(scalar::types).collect()
    }

    fn all_types(&self, branches: &[&'s Value]) -> Vec<&'s str> {
        branches.iter().flat_map(|branch| self.types_of(branch)).collect()
    }

    /// When the branches for a string all list words: one error with all of them.
    fn no_such_word(
        &self,
        branches: &[&'s Value],
        fitting: &[(&'s Value, Vec<Diagnostic>)],
        node: &Node,
        path: &Path,
    ) -> Option<Diagnostic> {
        node.text()?;
        let lists_words = |branch: &'s Value| scalar::words(self.resolved(branch)).is_some();
        if !fitting.iter().all(|(branch, _)| lists_words(branch)) {
            return None;
        }
        let words: Vec<&Value> =
            branches.iter().filter_map(|branch| scalar::words(self.resolved(branch))).flatten().collect();
        Some(scalar::word_error(&words, node, path))
    }

    /// The key whose value says which of several objects is meant, such as `type`.
    fn tag(&self, fitting: &[(&'s Value, Vec<Diagnostic>)]) -> Option<&'s str> {
        if fitting.len() < 2 {
            return None;
        }
        let (first, _) = fitting.first()?;
        let keys = self.resolved(first)["properties"].as_object()?.keys();
        keys.map(String::as_str).find(|key| {
            fitting.iter().all(|(branch, _)| {
                let resolved = self.resolved(branch);
                scalar::words(&resolved["properties"][*key]).is_some()
            })
        })
    }

    /// Objects with one key each, of which one is meant: `{ "apiKey": … }` or `{ "sub": … }`. False when they are others.
    fn check_one_key(
        &self,
        fitting: &[(&'s Value, Vec<Diagnostic>)],
        node: &Node,
        path: &mut Path,
        out: &mut Vec<Diagnostic>,
    ) -> bool {
        let key_of = |branch: &'s Value| {
            let resolved = self.resolved(branch);
            let only = resolved["properties"].as_object().filter(|keys| keys.len() == 1)?.keys().next()?;
            (resolved["required"][0] == only.as_str()).then_some(only.as_str())
        };
        let keys: Option<Vec<&str>> = fitting.iter().map(|(branch, _)| key_of(branch)).collect();
        let (Some(keys), Data::Table(members)) = (keys.filter(|keys| keys.len() > 1), &node.data) else { return false };
        let known: Vec<_> = members.iter().filter(|member| keys.contains(&member.key.as_str())).collect();
        for member in members.iter().filter(|member| !keys.contains(&member.key.as_str())) {
            path.with_key(&member.key, |path| out.push(super::unknown_key(member, &keys, members, path)));
        }
        let all: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        match known.as_slice() {
            [] if members.is_empty() => {
                let message = format!("one of the keys {} is missing", scalar::join(&all, "and"));
                out.push(Diagnostic::error(&node.place, path, message));
            }
            [] => {}
            [member] => {
                let alone = Node::new(node.place.clone(), Data::Table(vec![(*member).clone()]));
                if let Some((branch, _)) = fitting.iter().find(|(branch, _)| key_of(branch) == Some(&member.key)) {
                    self.check(branch, &alone, path, out);
                }
            }
            [_, second, ..] => {
                let message = format!("only one of the keys {} may stand here", scalar::join(&all, "and"));
                path.with_key(&second.key, |path| out.push(Diagnostic::error(&second.key_place, path, message)));
            }
        }
        true
    }

    fn check_tagged(
        &self,
        tag: &'s str,
        fitting: Vec<(&'s Value, Vec<Diagnostic>)>,
        node: &Node,
        path: &mut Path,
        out: &mut Vec<Diagnostic>,
    ) {
        let words_of = |branch: &'s Value| scalar::words(&self.resolved(branch)["properties"][tag]).unwrap_or_default();
        let words: Vec<&Value> = fitting.iter().flat_map(|(branch, _)| words_of(branch)).collect();
        let Some(member) = node.member(tag) else {
            let all: Vec<String> = words.iter().map(|word| format!("`{}`", word.as_str().unwrap_or("?"))).collect();
            let error = Diagnostic::error(&node.place, path, format!("the key `{tag}` is missing"));
            out.push(error.help(format!("`{tag}` is one of {}", all.join(", "))));
            return;
        };
        let value = member.value.to_json();
        match fitting.into_iter().find(|(branch, _)| words_of(branch).contains(&&value)) {
            Some((_, found)) => out.extend(found),
            None if matches!(member.value.data, Data::Broken) => {}
            None => path.with_key(tag, |path| out.push(scalar::word_error(&words, &member.value, path))),
        }
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
