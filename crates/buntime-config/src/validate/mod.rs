//! Holds a tree against a JSON schema, as schemars writes it, and reports every mistake at its place.
//!
//! Only the keywords that schemars writes are known, and those say what they mean for a person: types in words, enum
//! words and keys with a suggestion, durations and sizes by their own rules. `format` is [`crate::formats`].

use serde_json::Value;

use crate::{
    diagnostics::Diagnostic,
    tree::{Data, Node, Path},
};

mod object;
mod scalar;
mod union;

pub(crate) use object::unknown_key;

/// References may follow each other so often without going deeper into the tree.
const REFERENCES: usize = 32;

/// Judges the values of one definition in the place of its schema.
pub(crate) type Special<'s> = dyn Fn(&Node, &mut Path, &mut Vec<Diagnostic>) + 's;

/// A schema to hold values against.
pub(crate) struct Validator<'s> {
    root: &'s Value,
    /// The value is a part: what is missing may stand elsewhere.
    partial: bool,
    /// The definition of that name is judged by that function.
    special: Option<(&'s str, &'s Special<'s>)>,
}

impl<'s> Validator<'s> {
    pub(crate) fn new(root: &'s Value) -> Self {
        Self { root, partial: false, special: None }
    }

    /// Does not ask for keys that are missing.
    pub(crate) fn partial(mut self, partial: bool) -> Self {
        self.partial = partial;
        self
    }

    /// Leaves the definition `name` to `judge`.
    pub(crate) fn special(mut self, name: &'s str, judge: &'s Special<'s>) -> Self {
        self.special = Some((name, judge));
        self
    }

    /// Reports what is wrong with `node`.
    pub(crate) fn run(&self, node: &Node, path: &mut Path, out: &mut Vec<Diagnostic>) {
        self.check(self.root, node, path, out);
    }

    /// Holds a value against one schema of the root.
    fn check(&self, schema: &'s Value, node: &Node, path: &mut Path, out: &mut Vec<Diagnostic>) {
        if matches!(node.data, Data::Broken) {
            return;
        }
        let Value::Object(keywords) = schema else {
            if *schema == Value::Bool(false) {
                out.push(Diagnostic::error(&node.place, path, "nothing may stand here").help("remove it"));
            }
            return;
        };
        if let Some(name) = keywords.get("$ref").and_then(Value::as_str)
            && !self.check_reference(name, node, path, out)
        {
            return;
        }
        if !scalar::check_type(schema, node, path, out) {
            return;
        }
        scalar::check_words(schema, node, path, out);
        match &node.data {
            Data::Text(text) => {
                scalar::check_longer_than_zero(schema, node, path, out);
                scalar::check_text(schema, text, node, path, out);
            }
            Data::Number(number) => scalar::check_number(schema, number, node, path, out),
            Data::List(items) => self.check_list(schema, items, node, path, out),
            Data::Table(members) => self.check_table(schema, members, node, path, out),
            _ => {}
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.check(part, node, path, out);
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(branches) = schema[keyword].as_array() {
                self.check_union(branches, node, path, out);
            }
        }
    }

    /// Follows `$ref`. False when the value has been judged and what stands beside the reference does not matter.
    fn check_reference(&self, reference: &str, node: &Node, path: &mut Path, out: &mut Vec<Diagnostic>) -> bool {
        let name = reference.rsplit('/').next().unwrap_or_default();
        if let Some((_, judge)) = self.special.filter(|(special, _)| *special == name) {
            judge(node, path, out);
            return false;
        }
        if let Some(result) = scalar::check_unit(name, node, path) {
            let good = result.is_none();
            out.extend(result);
            return good;
        }
        let before = out.len();
        if let Some(target) = self.target(reference) {
            self.check(target, node, path, out);
        }
        before == out.len()
    }

    /// What a reference names, through further references.
    fn target(&self, reference: &str) -> Option<&'s Value> {
        let mut target = self.root.pointer(reference.strip_prefix('#')?)?;
        for _ in 0..REFERENCES {
            match target.get("$ref").and_then(Value::as_str) {
                Some(next) if target.as_object().is_some_and(|keywords| keywords.len() == 1) => {
                    target = self.root.pointer(next.strip_prefix('#')?)?;
                }
                _ => return Some(target),
            }
        }
        None
    }

    /// A schema with its reference followed, for looking at it.
    fn resolved(&self, schema: &'s Value) -> &'s Value {
        schema.get("$ref").and_then(Value::as_str).and_then(|name| self.target(name)).unwrap_or(schema)
    }

    fn check_list(&self, schema: &'s Value, items: &[Node], node: &Node, path: &mut Path, out: &mut Vec<Diagnostic>) {
        let count = |keyword: &str| schema[keyword].as_u64().and_then(|n| usize::try_from(n).ok());
        if let Some(least) = count("minItems").filter(|least| items.len() < *least) {
            let message = if items.is_empty() {
                "this array must not be empty".to_owned()
            } else {
                format!("expected at least {least} items, found {}", items.len())
            };
            out.push(Diagnostic::error(&node.place, path, message));
        }
        if let Some(most) = count("maxItems").filter(|most| items.len() > *most) {
            let message = format!("expected at most {most} items, found {}", items.len());
            out.push(Diagnostic::error(&node.place, path, message));
        }
        if schema["uniqueItems"] == Value::Bool(true) {
            let values: Vec<Value> = items.iter().map(Node::to_json).collect();
            for (index, item) in
                items.iter().enumerate().filter(|(index, _)| values[..*index].contains(&values[*index]))
            {
                path.with_index(index, |path| {
                    out.push(Diagnostic::error(&item.place, path, "this item is in the array twice"));
                });
            }
        }
        let prefix = schema["prefixItems"].as_array().map_or(&[][..], Vec::as_slice);
        for (index, item) in items.iter().enumerate() {
            if let Some(schema) = prefix.get(index).or_else(|| schema.get("items")) {
                path.with_index(index, |path| self.check(schema, item, path, out));
            }
        }
    }
}
