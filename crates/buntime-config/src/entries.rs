//! Judges plugin entries: their form, the keys any entry takes, and the plugin's own settings.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use buntime_core::{metadata::PluginName, options::EntryOptions};
use serde_json::Value;

use crate::{
    catalog::PluginCatalog,
    diagnostics::Diagnostic,
    formats,
    lexer::short,
    model::{OPTIONS_SCHEMA, is_common},
    suggest,
    tree::{Data, Member, Node, Path, Place},
    validate::{Validator, unknown_key},
};

/// The parts of an entry as it is written.
pub(crate) struct EntryParts<'n> {
    pub(crate) name: &'n Node,
    /// The keys any entry takes.
    pub(crate) options: Vec<&'n Member>,
    /// Members that may be neither.
    pub(crate) strange: Vec<&'n Member>,
    /// The object with the settings, if there is one.
    pub(crate) settings: Option<&'n Node>,
    /// Where `settings` lies below the entry.
    pub(crate) below: &'static str,
}

impl<'n> EntryParts<'n> {
    /// Takes an entry apart; `None` when it has no name or not the form of an entry.
    pub(crate) fn of(node: &'n Node) -> Option<Self> {
        match &node.data {
            Data::Text(_) => {
                Some(Self { name: node, options: Vec::new(), strange: Vec::new(), settings: None, below: "" })
            }
            Data::List(items) => {
                let settings = items.get(1);
                let members = settings.map_or(&[][..], Node::members);
                let options = members.iter().filter(|member| is_common(&member.key)).collect();
                Some(Self { name: items.first()?, options, strange: Vec::new(), settings, below: "/1" })
            }
            Data::Table(members) => {
                let (options, rest): (Vec<_>, Vec<_>) = members.iter().partition(|member| is_common(&member.key));
                let strange = rest.into_iter().filter(|m| m.key != "name" && m.key != "config").collect();
                Some(Self { name: node.get("name")?, options, strange, settings: node.get("config"), below: "/config" })
            }
            _ => None,
        }
    }

    pub(crate) fn plugin(&self) -> Option<PluginName> {
        self.name.text().map(PluginName::new)
    }

    pub(crate) fn option(&self, key: &str) -> Option<&'n Node> {
        self.options.iter().find(|member| member.key == key).map(|member| &member.value)
    }

    pub(crate) fn is_enabled(&self) -> bool {
        !matches!(self.option("enabled").map(|node| &node.data), Some(Data::Bool(false)))
    }

    /// The plugin's own settings alone.
    fn own(&self, entry: &Node) -> Node {
        let Some(settings) = self.settings else { return Node::empty_table(entry.place.clone()) };
        match &settings.data {
            Data::Table(members) if self.below == "/1" => {
                let own = members.iter().filter(|member| !is_common(&member.key)).cloned().collect();
                Node::new(settings.place.clone(), Data::Table(own))
            }
            _ => settings.clone(),
        }
    }
}

/// Judges entries with the help of a catalog.
pub(crate) struct Entries<'c> {
    catalog: &'c dyn PluginCatalog,
    names: Vec<PluginName>,
    /// Schemas with the common keys among their properties, for suggestions.
    schemas: RefCell<BTreeMap<PluginName, Option<Rc<Value>>>>,
}

impl<'c> Entries<'c> {
    pub(crate) fn new(catalog: &'c dyn PluginCatalog) -> Self {
        Self { catalog, names: catalog.names(), schemas: RefCell::default() }
    }

    pub(crate) fn names(&self) -> &[PluginName] {
        &self.names
    }

    /// Reports what is wrong with one entry.
    pub(crate) fn judge(&self, node: &Node, path: &mut Path, out: &mut Vec<Diagnostic>) {
        let before = out.len();
        form(node, path, out);
        let Some(parts) = EntryParts::of(node).filter(|_| before == out.len()) else { return };
        let Some(spelling) = parts.name.text() else { return };
        let name = PluginName::new(spelling);
        if !self.names.contains(&name) {
            let name_path = if parts.below == "/1" { "0" } else { "name" };
            let mut report = |path: &mut Path| out.push(self.unknown_plugin(spelling, &parts.name.place, path));
            if parts.below.is_empty() { report(path) } else { path.with_key(name_path, report) }
        }
        let base = Path::new(&format!("{}{}", path.as_str(), if parts.below == "/config" { "" } else { parts.below }));
        self.judge_options(node, &parts, base, out);
        for member in &parts.strange {
            path.with_key(&member.key, |path| out.push(self.strange_key(member, node.members(), &name, path)));
        }
        self.judge_settings(node, &parts, &name, path, out);
    }

    pub(crate) fn unknown_plugin(&self, spelling: &str, place: &Place, path: &Path) -> Diagnostic {
        let error = Diagnostic::error(place, path, format!("unknown plugin `{}`", short(spelling)));
        error.maybe_help(suggest_plugin(spelling, &self.names, "known plugins"))
    }

    fn judge_options(&self, node: &Node, parts: &EntryParts<'_>, mut path: Path, out: &mut Vec<Diagnostic>) {
        let before = out.len();
        let members: Vec<Member> = parts.options.iter().map(|member| (*member).clone()).collect();
        let table = Node::new(node.place.clone(), Data::Table(members));
        Validator::new(&OPTIONS_SCHEMA).run(&table, &mut path, out);
        if let Some(base) = parts.option("base") {
            path.with_key("base", |path| judge_base(base, path, out));
        }
        self.judge_names(parts, &mut path, out);
        if before == out.len()
            && !table.is_broken()
            && let Err(error) = serde_path_to_error::deserialize::<_, EntryOptions>(table.to_json())
        {
            let inner = pointer_of(error.path());
            let place = table.locate(&inner, false);
            out.push(Diagnostic::error(
                &place,
                &Path::new(&format!("{}{inner}", path.as_str())),
                error.inner().to_string(),
            ));
        }
    }

    /// The plugins that options name must be known.
    fn judge_names(&self, parts: &EntryParts<'_>, path: &mut Path, out: &mut Vec<Diagnostic>) {
        let fallback = || parts.option("onError")?.get("fallback")?.get("plugin");
        let named = parts.option("dependsOn").map_or(&[][..], Node::items).iter().chain(fallback());
        for node in named {
            let Some(spelling) = node.text() else { continue };
            if !self.names.contains(&PluginName::new(spelling)) {
                out.push(self.unknown_plugin(spelling, &node.place, path));
            }
        }
    }

    /// A key of the long form that is neither common nor `config`.
    fn strange_key(&self, member: &Member, there: &[Member], name: &PluginName, path: &Path) -> Diagnostic {
        let schema = self.schema(name);
        let own = schema.as_ref().and_then(|schema| schema["properties"].as_object());
        if own.is_some_and(|own| own.contains_key(&member.key)) {
            let message = format!("`{}` is a setting of the plugin and stands in the wrong place", short(&member.key));
            return Diagnostic::error(&member.key_place, path, message)
                .help(format!("put it into `config`: {{ \"name\": …, \"config\": {{ \"{}\": … }} }}", member.key));
        }
        let keys: Vec<&str> = ["name", "config"].into_iter().chain(EntryOptions::KEYS).collect();
        unknown_key(member, &keys, there, path)
    }

    fn judge_settings(
        &self,
        node: &Node,
        parts: &EntryParts<'_>,
        name: &PluginName,
        path: &Path,
        out: &mut Vec<Diagnostic>,
    ) {
        let own = parts.own(node);
        let mut settings_path =
            Path::new(&format!("{}{}", path.as_str(), if parts.settings.is_some() { parts.below } else { "" }));
        let before = out.len();
        let is_gateway = path.as_str().starts_with("/plugins/");
        if let Some(schema) = self.schema(name) {
            Validator::new(&schema).partial(!is_gateway).run(&own, &mut settings_path, out);
        }
        if before != out.len() || own.is_broken() || !is_gateway || !self.names.contains(name) {
            return;
        }
        for problem in self.catalog.check(name, &own.to_json()) {
            let place = own.locate(&problem.pointer, false);
            let at = Path::new(&format!("{}{}", settings_path.as_str(), problem.pointer));
            out.push(Diagnostic::error(&place, &at, problem.message).maybe_help(problem.help));
        }
    }

    pub(crate) fn schema(&self, name: &PluginName) -> Option<Rc<Value>> {
        let mut schemas = self.schemas.borrow_mut();
        let schema = schemas.entry(name.clone()).or_insert_with(|| {
            let mut schema = self.catalog.settings_schema(name)?;
            if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
                for key in EntryOptions::KEYS {
                    properties.entry(key).or_insert(Value::Bool(true));
                }
            }
            Some(Rc::new(schema))
        });
        schema.clone()
    }
}

/// Is it a name, `[name, settings]` or the long form?
fn form(node: &Node, path: &mut Path, out: &mut Vec<Diagnostic>) {
    let help = "an entry is \"name\", [\"name\", { settings }] or { \"name\": …, \"config\": { settings } }";
    let mut error =
        |place: &Place, path: &Path, message: String| out.push(Diagnostic::error(place, path, message).help(help));
    let expect = |node: &Node, what: &str| format!("expected {what}, found {}", node.kind());
    match &node.data {
        Data::Broken => {}
        Data::Text(name) if name.trim().is_empty() => error(&node.place, path, "a plugin needs a name".to_owned()),
        Data::Text(_) => {}
        Data::List(items) => match items.as_slice() {
            [] => error(&node.place, path, "a plugin needs a name".to_owned()),
            [name, rest @ ..] => {
                if !matches!(&name.data, Data::Text(_) | Data::Broken) {
                    error(&name.place, path, expect(name, "the name of a plugin (a string)"));
                }
                if let Some(settings) = rest.first().filter(|node| !matches!(node.data, Data::Table(_) | Data::Broken))
                {
                    error(&settings.place, path, expect(settings, "an object with settings"));
                }
                if let Some(extra) = rest.get(1) {
                    error(&extra.place, path, "an entry has at most two parts: a name and its settings".to_owned());
                }
            }
        },
        Data::Table(_) => {
            match node.get("name") {
                None => error(&node.place, path, "the key `name` is missing".to_owned()),
                Some(name) if !matches!(name.data, Data::Text(_) | Data::Broken) => {
                    error(&name.place, path, expect(name, "the name of a plugin (a string)"));
                }
                Some(_) => {}
            }
            if let Some(config) = node.get("config").filter(|node| !matches!(node.data, Data::Table(_) | Data::Broken))
            {
                error(&config.place, path, expect(config, "an object with settings"));
            }
        }
        _ => error(&node.place, path, expect(node, "a plugin")),
    }
}

fn judge_base(base: &Node, path: &Path, out: &mut Vec<Diagnostic>) {
    if let Some(text) = base.text()
        && let Err(why) = formats::plugin_base(text)
    {
        let error = Diagnostic::error(&base.place, path, format!("`{}`: {why}", short(text)));
        out.push(error.help("`mydb`, `/mydb` and `/p/mydb` are all `/p/mydb`"));
    } else if !path.as_str().starts_with("/plugins/") {
        let message = "a base can only be chosen in the gateway's own `plugins`";
        out.push(Diagnostic::error(&base.place, path, message));
    }
}

/// A plugin that was probably meant, in the spelling of the one who asks; or all of them.
pub(crate) fn suggest_plugin(spelling: &str, names: &[PluginName], what: &str) -> Option<String> {
    let wanted = PluginName::new(spelling);
    let known: Vec<&str> = names.iter().map(PluginName::as_str).collect();
    match suggest::closest(wanted.as_str(), known.iter().copied()) {
        Some(meant) if spelling.starts_with('@') => {
            Some(format!("did you mean `{}`?", PluginName::new(meant).package()))
        }
        Some(meant) => Some(format!("did you mean `{meant}`?")),
        None => suggest::help(wanted.as_str(), what, &known),
    }
}

/// The JSON pointer of a place that serde names.
pub(crate) fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}
