//! A JSON value whose texts are templates.

use buntime_core::SettingsProblem;
use serde_json::{Map, Value};

use crate::{source::Known, template::Template, view::View};

/// A JSON value that has been read. Names of entries are no templates.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonTemplate(Node);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Fixed(Value),
    Text(Template),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl JsonTemplate {
    /// Reads a value; `pointer` is where it stands in the settings.
    ///
    /// # Errors
    /// Every placeholder that means nothing here.
    pub fn new(value: &Value, known: &Known, pointer: &str) -> Result<Self, Vec<SettingsProblem>> {
        let mut problems = Vec::new();
        let node = Node::new(value, known, pointer, &mut problems);
        if problems.is_empty() { Ok(Self(node)) } else { Err(problems) }
    }

    /// Does it look into the body?
    pub fn reads_body(&self) -> bool {
        self.0.reads_body()
    }

    /// The value with everything filled in. Entries and items whose text has a value that is not there are left out;
    /// `None` when that is the whole.
    pub fn value(&self, view: &View<'_>) -> Option<Value> {
        self.0.value(view)
    }
}

impl Node {
    fn new(value: &Value, known: &Known, at: &str, problems: &mut Vec<SettingsProblem>) -> Self {
        match value {
            Value::String(text) => match Template::new(text, known) {
                Ok(template) if template.constant().is_some() => Self::Fixed(value.clone()),
                Ok(template) => Self::Text(template),
                Err(bad) => {
                    problems.push(SettingsProblem::new(at, bad.to_string()));
                    Self::Fixed(Value::Null)
                }
            },
            Value::Array(list) => {
                let nodes = list.iter().enumerate();
                Self::List(
                    nodes.map(|(index, item)| Self::new(item, known, &format!("{at}/{index}"), problems)).collect(),
                )
            }
            Value::Object(object) => {
                let place = |name: &str| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                let nodes = object.iter();
                Self::Object(
                    nodes
                        .map(|(name, value)| (name.clone(), Self::new(value, known, &place(name), problems)))
                        .collect(),
                )
            }
            fixed => Self::Fixed(fixed.clone()),
        }
    }

    fn reads_body(&self) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Text(template) => template.reads_body(),
            Self::List(nodes) => nodes.iter().any(Self::reads_body),
            Self::Object(nodes) => nodes.iter().any(|(_, node)| node.reads_body()),
        }
    }

    fn value(&self, view: &View<'_>) -> Option<Value> {
        Some(match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(template) => return template.value(view),
            Self::List(nodes) => nodes.iter().filter_map(|node| node.value(view)).collect(),
            Self::Object(nodes) => {
                let entries = nodes.iter().filter_map(|(name, node)| Some((name.clone(), node.value(view)?)));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        })
    }
}
