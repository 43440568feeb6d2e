//! Who may depend on whom, and that a folder is called what its crate is called.

use super::Problem;
use crate::{
    Result,
    workspace::{Metadata, root},
};

/// A member of the workspace.
#[derive(Debug)]
pub(super) struct Member {
    name: String,
    /// From the workspace's root.
    dir: String,
    depends: Vec<Edge>,
}

#[derive(Debug)]
struct Edge {
    on: String,
    dev: bool,
    optional: bool,
}

pub(super) fn members(metadata: &Metadata) -> Result<Vec<Member>> {
    let root = root();
    let member = |package: &crate::workspace::Package| {
        let dir = package.manifest_path.parent().and_then(|dir| dir.strip_prefix(&root).ok())?;
        let edge = |dependency: &crate::workspace::Dependency| Edge {
            on: dependency.name.clone(),
            dev: dependency.kind.as_deref() == Some("dev"),
            optional: dependency.optional,
        };
        Some(Member {
            name: package.name.clone(),
            dir: dir.to_string_lossy().replace('\\', "/"),
            depends: package.dependencies.iter().map(edge).collect(),
        })
    };
    let members: Option<Vec<_>> = metadata.packages.iter().map(member).collect();
    members.ok_or_else(|| "a member of the workspace is outside its root".into())
}

pub(super) fn check(members: &[Member]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for member in members {
        let manifest = format!("{}/Cargo.toml", member.dir);
        if let Some(what) = misnamed(member) {
            problems.push(Problem::new(&manifest, what));
        }
        for edge in &member.depends {
            let on = members.iter().find(|other| other.name == edge.on);
            if let Some(what) = on.and_then(|on| forbidden(member, on, edge)) {
                problems.push(Problem::new(&manifest, what));
            }
        }
    }
    problems
}

fn misnamed(member: &Member) -> Option<String> {
    let folder = member.dir.rsplit('/').next().unwrap_or_default();
    let (name, wanted) = (&member.name, if member.dir == "tests" { "buntime-tests" } else { folder });
    if name != wanted {
        return Some(format!("the crate is called `{name}`; in the folder `{}` it must be `{wanted}`", member.dir));
    }
    let prefix = match area(&member.dir) {
        "crates" => "buntime-",
        "plugins" => "plugin-",
        _ => "",
    };
    (!name.starts_with(prefix)).then(|| format!("crates in this folder are called `{prefix}…`"))
}

fn forbidden(member: &Member, on: &Member, edge: &Edge) -> Option<String> {
    let (from, to) = (area(&member.dir), area(&on.dir));
    let what = format!("depends on `{}`", on.name);
    let instead = match (from, to) {
        // Its own tests use the fakes that every plugin's tests use.
        _ if member.name == "buntime-core" && edge.dev && on.name == "buntime-testing" => return None,
        _ if member.name == "buntime-core" => "the plugin API depends on no other crate of the workspace",
        ("plugins", "plugins") => {
            "a plugin depends on crates/* only; what it needs of another is a service it gets from the registry"
        }
        ("plugins" | "crates", "apps" | "tests" | "xtask") => "it must be usable without the runner",
        ("crates", "plugins") => "only apps/runner knows the plugins",
        ("apps", "plugins") if member.dir != "apps/runner" => "only apps/runner knows the plugins",
        ("apps", "plugins") if !edge.dev && !edge.optional => {
            "each plugin is behind a feature of the runner: make it `optional = true`"
        }
        _ if on.name == "buntime-testing" && !edge.dev && from != "tests" => {
            "it is for tests: move it to [dev-dependencies]"
        }
        _ => return None,
    };
    Some(format!("{what}, which is not allowed: {instead}"))
}

/// The first part of a folder's path.
fn area(dir: &str) -> &str {
    dir.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixtures::said;

    fn member(dir: &str, depends: &[(&str, bool, bool)]) -> Member {
        let name = if dir == "tests" { "buntime-tests" } else { dir.rsplit('/').next().unwrap() };
        let edge = |(on, dev, optional): &(&str, bool, bool)| Edge { on: (*on).into(), dev: *dev, optional: *optional };
        Member { name: name.into(), dir: dir.into(), depends: depends.iter().map(edge).collect() }
    }

    fn workspace(member: Member) -> Vec<String> {
        let mut all = vec![
            self::member("crates/buntime-core", &[("buntime-testing", true, false)]),
            self::member("crates/buntime-testing", &[("buntime-core", false, false)]),
            self::member("plugins/plugin-a", &[("buntime-core", false, false), ("buntime-testing", true, false)]),
            self::member("apps/runner", &[("plugin-a", false, true), ("serde", false, false)]),
            self::member("tests", &[("runner", false, false), ("buntime-testing", false, false)]),
        ];
        assert!(check(&all).is_empty());
        all.retain(|other| other.dir != member.dir);
        all.push(member);
        said(check(&all))
    }

    fn refused(dir: &str, depends: (&str, bool, bool), words: &str) {
        let said = workspace(member(dir, &[depends]));
        assert!(matches!(said.as_slice(), [one] if one.contains(words)), "{said:?}");
    }

    #[test]
    fn directions() {
        refused("plugins/plugin-b", ("plugin-a", false, false), "a service it gets from the registry");
        refused("plugins/plugin-b", ("plugin-a", true, false), "a service it gets from the registry");
        refused("plugins/plugin-b", ("runner", true, false), "usable without the runner");
        refused("crates/buntime-http", ("plugin-a", false, false), "only apps/runner knows the plugins");
        refused("apps/other", ("plugin-a", false, true), "only apps/runner knows the plugins");
        refused("apps/runner", ("plugin-a", false, false), "make it `optional = true`");
        refused("crates/buntime-core", ("buntime-testing", false, false), "depends on no other crate");
        refused("crates/buntime-core", ("plugin-a", true, false), "depends on no other crate");
        refused("crates/buntime-http", ("buntime-testing", false, false), "[dev-dependencies]");
    }

    #[test]
    fn names() {
        let misnamed = Member { name: "other".into(), ..member("plugins/plugin-b", &[]) };
        assert_eq!(
            workspace(misnamed),
            ["plugins/plugin-b/Cargo.toml: the crate is called `other`; in the folder `plugins/plugin-b` it must be \
              `plugin-b`"]
        );
        assert!(workspace(member("crates/http", &[]))[0].contains("are called `buntime-…`"));
    }
}
