//! `${NAME}` and `${NAME:-default}` in strings; `$${` is a literal `${`.

use crate::{
    diagnostics::Diagnostic,
    env::Env,
    mask, suggest,
    tree::{Data, Node, Path},
};

/// Replaces the variables in every string of a tree, and marks those into which a secret came.
pub(crate) fn substitute(root: &mut Node, env: &dyn Env, problems: &mut Vec<Diagnostic>) {
    below(root, &mut Path::default(), env, problems);
}

fn below(node: &mut Node, path: &mut Path, env: &dyn Env, problems: &mut Vec<Diagnostic>) {
    match &mut node.data {
        Data::Text(text) if text.contains("${") => {
            let done = replace(text, env);
            for (message, help) in done.mistakes {
                problems.push(Diagnostic::error(&node.place, path, message).maybe_help(help));
            }
            node.tainted |= done.secret;
            // What a variable would have said is not known, so nothing more is said about it.
            node.data = if done.failed { Data::Broken } else { Data::Text(done.text) };
        }
        Data::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                path.with_index(index, |path| below(item, path, env, problems));
            }
        }
        Data::Table(members) => {
            for member in members {
                path.with_key(&member.key, |path| below(&mut member.value, path, env, problems));
            }
        }
        _ => {}
    }
}

#[derive(Default)]
struct Replaced {
    text: String,
    secret: bool,
    failed: bool,
    mistakes: Vec<(String, Option<String>)>,
}

impl Replaced {
    fn fail(&mut self, message: String, help: Option<String>) {
        self.failed = true;
        self.mistakes.push((message, help));
    }
}

fn replace(text: &str, env: &dyn Env) -> Replaced {
    let mut done = Replaced::default();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            done.text.push_str(&rest[..at - 1]);
            done.text.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        done.text.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let Some(end) = inner.find('}') else {
            done.fail(
                "`${` is never closed".to_owned(),
                Some("write `${NAME}`, or `$${` for a literal `${`".to_owned()),
            );
            return done;
        };
        variable(&inner[..end], env, &mut done);
        rest = &inner[end + 1..];
    }
    done.text.push_str(rest);
    done
}

fn variable(inner: &str, env: &dyn Env, done: &mut Replaced) {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    if !is_name(name) {
        let help = "a name has letters, digits and `_`; write `$${` for a literal `${`".to_owned();
        done.fail(format!("`${{{}}}` names no environment variable", crate::lexer::short(inner)), Some(help));
        return;
    }
    done.secret |= mask::is_secret_name(name);
    match (env.var(name), default) {
        // As in a shell: `:-` stands in for an empty variable too.
        (Some(value), Some(default)) if value.is_empty() => done.text.push_str(default),
        (Some(value), _) => done.text.push_str(&value),
        (None, Some(default)) => done.text.push_str(default),
        (None, None) => {
            let names = env.names();
            let meant = suggest::closest(name, names.iter().map(String::as_str));
            let help = match meant {
                Some(meant) => format!("did you mean `{meant}`? Or write `${{{name}:-default}}`"),
                None => format!("set it, or write `${{{name}:-default}}`"),
            };
            done.fail(format!("the environment variable `{name}` is not set"), Some(help));
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        let env = [("A", "1"), ("EMPTY", ""), ("TOKEN", "t")];
        for (text, expect) in [
            ("${A}", "1"),
            ("x${A}y${A}z", "x1y1z"),
            ("${EMPTY}", ""),
            ("${EMPTY:-d}", "d"),
            ("${NONE:-}", ""),
            ("${NONE:-a b}", "a b"),
            ("$${A}", "${A}"),
            ("$A ${A} $", "$A 1 $"),
        ] {
            let done = replace(text, &env);
            assert_eq!(done.text, expect, "{text}");
            assert!(!done.failed, "{text}");
        }
        assert!(replace("${TOKEN}", &env).secret);
        for text in ["${NONE}", "${", "${}", "${a b}", "${1A}"] {
            assert!(replace(text, &env).failed, "{text}");
        }
    }
}
