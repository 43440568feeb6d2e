//! Objects: unknown keys, missing keys, and the values below.

use serde_json::Value;

use super::Validator;
use crate::{
    diagnostics::Diagnostic,
    formats,
    lexer::short,
    suggest,
    tree::{Member, Node, Path},
};

impl<'s> Validator<'s> {
    pub(super) fn check_table(
        &self,
        schema: &'s Value,
        members: &[Member],
        node: &Node,
        path: &mut Path,
        out: &mut Vec<Diagnostic>,
    ) {
        let known = schema["properties"].as_object();
        let others = schema.get("additionalProperties");
        let mut unknown = Vec::new();
        for member in members {
            path.with_key(&member.key, |path| {
                if let Some(format) = schema.pointer("/propertyNames/format").and_then(Value::as_str)
                    && let Err(why) = formats::check(format, &member.key)
                {
                    let message = format!("`{}`: {why}", short(&member.key));
                    out.push(Diagnostic::error(&member.key_place, path, message));
                }
                let mut judged = false;
                if let Some(schema) = known.and_then(|known| known.get(&member.key)) {
                    judged = true;
                    self.check(schema, &member.value, path, out);
                }
                for (pattern, schema) in schema["patternProperties"].as_object().into_iter().flatten() {
                    if formats::regex(pattern).is_ok_and(|regex| regex.is_match(&member.key)) {
                        judged = true;
                        self.check(schema, &member.value, path, out);
                    }
                }
                match others {
                    _ if judged => {}
                    Some(Value::Bool(false)) => unknown.push(member),
                    Some(schema) => self.check(schema, &member.value, path, out),
                    None => {}
                }
            });
        }
        if schema["unevaluatedProperties"] == Value::Bool(false) {
            let mut keys = Vec::new();
            self.collect_keys(schema, &mut keys, 0);
            unknown.extend(members.iter().filter(|member| !keys.contains(&member.key.as_str())));
        }
        let meant = self.unknown_keys(schema, &unknown, members, path, out);
        self.missing_keys(schema, &meant, node, path, out);
    }

    /// Reports them, and returns the keys that were probably meant.
    fn unknown_keys(
        &self,
        schema: &'s Value,
        unknown: &[&Member],
        members: &[Member],
        path: &mut Path,
        out: &mut Vec<Diagnostic>,
    ) -> Vec<&'s str> {
        let mut meant = Vec::new();
        if unknown.is_empty() {
            return meant;
        }
        let mut keys = Vec::new();
        self.collect_keys(schema, &mut keys, 0);
        for member in unknown {
            path.with_key(&member.key, |path| out.push(unknown_key(member, &keys, members, path)));
            meant.extend(suggest::closest(&member.key, keys.iter().copied()));
        }
        meant
    }

    /// Reports the keys that must be there; not those that an unknown one was meant to be.
    fn missing_keys(&self, schema: &'s Value, meant: &[&str], node: &Node, path: &mut Path, out: &mut Vec<Diagnostic>) {
        if self.partial {
            return;
        }
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if meant.contains(&key) || node.get(key).is_some() {
                continue;
            }
            let error = Diagnostic::error(&node.place, path, format!("the key `{key}` is missing"));
            let about = schema["properties"][key]["description"].as_str();
            out.push(error.maybe_help(about.map(|about| format!("`{key}`: {}", about.replace('\n', " ")))));
        }
    }

    /// The keys that a schema knows, with those of its parts.
    pub(super) fn collect_keys(&self, schema: &'s Value, keys: &mut Vec<&'s str>, depth: usize) {
        if depth > 8 {
            return;
        }
        let schema = self.resolved(schema);
        for key in schema["properties"].as_object().into_iter().flat_map(|known| known.keys()) {
            if !keys.contains(&key.as_str()) {
                keys.push(key);
            }
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            for part in schema[keyword].as_array().into_iter().flatten() {
                self.collect_keys(part, keys, depth + 1);
            }
        }
    }
}

/// `unknown key`, with the one that was probably meant. `there` is what stands beside it.
pub(crate) fn unknown_key(member: &Member, known: &[&str], there: &[Member], path: &Path) -> Diagnostic {
    let error = Diagnostic::error(&member.key_place, path, format!("unknown key `{}`", short(&member.key)));
    let is_there = |key: &&str| there.iter().any(|other| other.key == **key);
    let free: Vec<&str> = known.iter().copied().filter(|key| !is_there(key)).collect();
    if let Some(meant) = suggest::closest(&member.key, free.iter().copied()) {
        return error.help(format!("did you mean `{meant}`?"));
    }
    if let Some(meant) = suggest::closest(&member.key, known.iter().copied()) {
        return error.help(format!("did you mean `{meant}`? It is there already"));
    }
    match suggest::help(&member.key, "known keys", known) {
        Some(help) => error.help(help),
        None => error.help("remove it; no key is known here"),
    }
}
