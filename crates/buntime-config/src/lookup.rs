//! Which file is loaded, and reading it without taking a half-written one for whole.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{diagnostics::Diagnostic, env::Env, source::TextRange};

/// A configuration is at most so long.
pub const LARGEST_FILE: u64 = 8 << 20;

/// How often a file that changes while it is read is read again.
const READS: usize = 5;

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// No file: the built-in defaults, and what the environment says. Paths are relative to this directory.
    Defaults(PathBuf),
    /// This file. Paths in it are relative to where it is.
    File(PathBuf),
    /// A text that stands in for a file, such as one an editor has not saved.
    Text {
        /// The file it stands in for; need not exist.
        file: PathBuf,
        /// What would be in it.
        text: String,
    },
}

impl Source {
    /// Looks in the order `--config`, `BUNTIME_CONFIG`, `buntime.jsonc`, `config/buntime.jsonc`; none of them is the
    /// defaults. A file that was asked for is taken whether it exists or not: loading says what is wrong with it.
    /// `dir` is where to look, usually the empty path for the current directory.
    pub fn find(flag: Option<&Path>, env: &dyn Env, dir: &Path) -> Self {
        let named = flag.map(Path::to_owned).or_else(|| {
            env.var("BUNTIME_CONFIG").filter(|value| !value.trim().is_empty()).map(|value| PathBuf::from(value.trim()))
        });
        if let Some(file) = named {
            return Self::File(dir.join(file));
        }
        ["buntime.jsonc", "config/buntime.jsonc"]
            .into_iter()
            .map(|name| dir.join(name))
            .find(|file| file.exists())
            .map_or_else(|| Self::Defaults(dir.to_owned()), Self::File)
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Defaults(_) => None,
            Self::File(file) | Self::Text { file, .. } => Some(file),
        }
    }

    /// The directory that relative paths begin at.
    pub fn dir(&self) -> &Path {
        match self {
            Self::Defaults(dir) => dir,
            Self::File(file) | Self::Text { file, .. } => file.parent().unwrap_or_else(|| Path::new("")),
        }
    }
}

/// Why a file cannot be read as a text.
pub(crate) struct Unreadable {
    /// What of it can be shown.
    pub(crate) text: String,
    pub(crate) problem: Diagnostic,
}

/// The text of a file.
pub(crate) fn read(file: &Path) -> Result<String, Box<Unreadable>> {
    let unreadable = |text: String, problem: Diagnostic| Box::new(Unreadable { text, problem });
    let fail = |message: String, help: &str| Err(unreadable(String::new(), Diagnostic::whole(message).help(help)));
    let bytes = match read_settled(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return fail("there is no such file".to_owned(), "`runner init` writes a commented starter file");
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return fail("this file may not be read".to_owned(), "let the user that runs this read it");
        }
        Err(_) if file.is_dir() => return fail("this is a directory".to_owned(), "name the file in it"),
        Err(error) => return fail(format!("this file cannot be read: {error}"), "check the path and the disk"),
    };
    if bytes.len() as u64 > LARGEST_FILE {
        return fail(format!("the file is longer than {} MiB", LARGEST_FILE >> 20), "is this the right file?");
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        // Everything before the first bad byte is as it was, so its place is the same in both.
        let range = TextRange::new(at, at + '\u{fffd}'.len_utf8());
        unreadable(text, Diagnostic::syntax(range, "the file is not UTF-8 from here on").help("save it as UTF-8"))
    })
}

/// Reads a file until what was read is what is there: an editor may be writing it.
fn read_settled(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for _ in 0..READS {
        let before = fs::metadata(file)?;
        bytes.clear();
        fs::File::open(file)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
        // A pipe is read once: what it gave is all there is.
        if !before.is_file() {
            break;
        }
        let after = fs::metadata(file)?;
        let same = before.len() == after.len() && before.modified().ok() == after.modified().ok();
        if same && bytes.len() as u64 == after.len().min(LARGEST_FILE + 1) {
            break;
        }
    }
    Ok(bytes)
}
