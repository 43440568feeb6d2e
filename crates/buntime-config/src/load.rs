//! From a file and an environment to a [`Config`], or to every reason why not.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path as FilePath, PathBuf},
    sync::{Arc, LazyLock},
};

use serde_json::Value;

use crate::{
    catalog::PluginCatalog,
    checks,
    diagnostics::{Diagnostic, Diagnostics, Problem, Severity},
    entries::{Entries, pointer_of},
    env::Env,
    hide::Secrets,
    lookup::{self, Source},
    mask,
    model::{Config, ENTRY_DEFINITION},
    overrides::{self, Aside},
    parser,
    source::SourceFile,
    substitute,
    tree::{Node, Path, Place},
    validate::Validator,
};

/// The schema of the file without the plugins' own settings.
pub(crate) static CONFIG_SCHEMA: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(Config).to_value());

/// What a configuration is judged with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The plugins that are known.
    pub catalog: &'a dyn PluginCatalog,
    /// The environment.
    pub env: &'a dyn Env,
    /// Plugins to add, from `--plugin`.
    pub plugins: &'a [String],
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("plugins", &self.plugins).finish_non_exhaustive()
    }
}

/// A configuration that is good, and what is needed to talk about it later.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What is probably not as meant.
    pub warnings: Diagnostics,
    /// The file it came from, if any.
    pub file: Option<PathBuf>,
    /// The directory that relative paths in it begin at.
    pub dir: PathBuf,
    /// Equal for files that say the same, whatever their comments and spaces.
    pub fingerprint: u64,
    document: Arc<Document>,
}

/// The text and the places of its values.
struct Document {
    source: Arc<SourceFile>,
    root: Node,
    secrets: Arc<Secrets>,
    tainted: Vec<String>,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.source.fmt(f)
    }
}

impl Loaded {
    /// Puts problems that were found after loading (a dependency that is missing, a certificate that does not fit) at
    /// their places in the file.
    pub fn diagnostics(&self, problems: impl IntoIterator<Item = Problem>) -> Diagnostics {
        let document = &self.document;
        let items = problems.into_iter().map(|problem| Diagnostic {
            severity: problem.severity,
            place: Some(document.root.locate(&problem.pointer, false)).filter(|_| !problem.pointer.is_empty()),
            path: problem.pointer,
            message: problem.message,
            help: problem.help,
        });
        Diagnostics::new(document.source.clone(), items.collect(), document.secrets.clone())
    }

    /// The whole configuration in force, defaults included, with `"***"` for secrets.
    pub fn effective(&self) -> Value {
        let mut value = serde_json::to_value(&self.config).unwrap_or(Value::Null);
        // Entries are written in the long form and mask themselves: the pointers of the file are not theirs.
        let tainted: Vec<String> =
            self.document.tainted.iter().filter(|pointer| !pointer.contains("/plugins/")).cloned().collect();
        mask::mask(&mut value, &tainted);
        value
    }
}

/// Loads a configuration. Nothing of a file with an error is used, and every error is told.
///
/// # Errors
///
/// All problems that were found, warnings among them, when at least one is an error.
pub fn load(source: &Source, context: &Context<'_>) -> Result<Loaded, Diagnostics> {
    let Read { file, mut root, mut problems, dropped } = read(source)?;
    let entries = Entries::new(context.catalog);
    substitute::substitute(&mut root, context.env, &mut problems);
    overrides::apply(&mut root, context.env, context.plugins, &entries, &mut problems);
    let aside = Aside::read(context.env, &entries, &mut problems);

    let judge = |node: &Node, path: &mut Path, out: &mut Vec<Diagnostic>| entries.judge(node, path, out);
    Validator::new(&CONFIG_SCHEMA).special(ENTRY_DEFINITION, &judge).run(&root, &mut Path::default(), &mut problems);
    checks::check(&root, context.catalog, &mut problems);

    let secrets = Arc::new(Secrets::of(&file, dropped.iter().chain([&root])));
    let failed = |problems| Err(Diagnostics::new(file.clone(), problems, secrets.clone()));
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return failed(problems);
    }
    let json = root.to_json();
    let mut config: Config = match serde_path_to_error::deserialize(&json) {
        Ok(config) => config,
        Err(error) => {
            let pointer = pointer_of(error.path());
            let place = root.locate(&pointer, false);
            problems.push(Diagnostic::error(&place, &Path::new(&pointer), error.inner().to_string()));
            return failed(problems);
        }
    };
    let tainted = mask::tainted_pointers(&root);
    config.place_entries();
    config.taint_entries(&tainted);
    config.resolve_paths(source.dir());
    aside.put(&mut config);
    Ok(Loaded {
        config,
        warnings: Diagnostics::new(file.clone(), problems, secrets.clone()),
        file: source.file().map(FilePath::to_owned),
        dir: source.dir().to_owned(),
        fingerprint: fingerprint(&json),
        document: Arc::new(Document { source: file, root, secrets, tainted }),
    })
}

/// A text as a tree.
struct Read {
    file: Arc<SourceFile>,
    root: Node,
    problems: Vec<Diagnostic>,
    dropped: Vec<Node>,
}

/// The text as a tree. What is wrong with single values is in the list; what makes the whole unreadable is the error.
fn read(source: &Source) -> Result<Read, Diagnostics> {
    let (name, text) = match source {
        Source::Defaults(_) => {
            let place = Place::Outside("the built-in defaults".into());
            let file = Arc::new(SourceFile::new("the built-in defaults", ""));
            return Ok(Read { file, root: Node::empty_table(place), problems: Vec::new(), dropped: Vec::new() });
        }
        Source::File(file) => (file, lookup::read(file)),
        Source::Text { file, text } => (file, Ok(text.clone())),
    };
    let name = name.display().to_string();
    let fail = |file: Arc<SourceFile>, problems| Err(Diagnostics::new(file, problems, Arc::default()));
    let file = match text {
        Ok(text) if text.len() as u64 > lookup::LARGEST_FILE => {
            let problem = Diagnostic::whole(format!("the text is longer than {} MiB", lookup::LARGEST_FILE >> 20));
            return fail(Arc::new(SourceFile::new(name, "")), vec![problem]);
        }
        Ok(text) => Arc::new(SourceFile::new(name, text)),
        Err(unreadable) => {
            return fail(Arc::new(SourceFile::new(name, unreadable.text)), vec![unreadable.problem]);
        }
    };
    let parser::Parsed { root, problems, dropped, sound } = parser::parse(&file);
    match root {
        Some(root) if sound => Ok(Read { file, root, problems, dropped }),
        root => {
            let secrets = Secrets::of(&file, dropped.iter().chain(&root));
            Err(Diagnostics::new(file, problems, Arc::new(secrets)))
        }
    }
}

fn fingerprint(json: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    json.to_string().hash(&mut hasher);
    hasher.finish()
}
