//! An entry of a `plugins` list: a name, `[name, settings]`, or the long form.

use std::{fmt, sync::LazyLock};

use buntime_core::{metadata::PluginName, options::EntryOptions};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};
use serde_json::{Map, Value};

use crate::mask;

/// What lists a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The gateway: every request.
    #[default]
    Gateway,
    /// A service, by name.
    Service(String),
    /// A route of a service.
    Route {
        /// The service's name.
        service: String,
        /// The route's name.
        route: String,
    },
    /// A consumer group, by name.
    ConsumerGroup(String),
    /// A consumer, by name.
    Consumer(String),
}

/// One plugin with its settings, in one scope. Prints and serialises with its secrets masked.
#[derive(Clone, PartialEq)]
pub struct PluginEntry {
    /// Which plugin.
    pub name: PluginName,
    /// Its name as it is written.
    pub spelling: String,
    /// The keys any entry takes. `base`, if there, is normalised: `/p/<base>`.
    pub options: EntryOptions,
    /// The plugin's own settings: an object, perhaps an empty one.
    pub settings: Value,
    /// What lists it.
    pub scope: Scope,
    /// Where the entry stands: a JSON pointer into the file, such as `/plugins/0`.
    pub pointer: String,
    /// Where `settings` stand, below `pointer`: `/1`, `/config`, or empty for a bare name.
    pub settings_below: &'static str,
    /// Pointers into `settings` of values that came from secret environment variables.
    pub(crate) tainted: Vec<String>,
}

impl PluginEntry {
    /// An entry that stands in no file: a plugin added by `--plugin`, the admin API or a test.
    pub fn new(name: &str, settings: Value) -> Self {
        Self {
            name: PluginName::new(name),
            spelling: name.to_owned(),
            options: EntryOptions::default(),
            settings,
            scope: Scope::Gateway,
            pointer: String::new(),
            settings_below: "",
            tainted: Vec::new(),
        }
    }

    /// Is it on? Unless the entry says otherwise it is.
    pub fn is_enabled(&self) -> bool {
        self.options.enabled.unwrap_or(true)
    }

    /// The place in the file of a value in its settings, for [`crate::Problem::at`].
    pub fn settings_pointer(&self, inner: &str) -> String {
        format!("{}{}{inner}", self.pointer, self.settings_below)
    }

    /// Its settings with secrets masked.
    pub fn masked_settings(&self) -> Value {
        let mut settings = self.settings.clone();
        mask::mask(&mut settings, &self.tainted);
        settings
    }
}

impl fmt::Debug for PluginEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginEntry")
            .field("name", &self.name)
            .field("scope", &self.scope)
            .field("settings", &self.masked_settings())
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for PluginEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (spelling, mut common, settings, settings_below) = match Value::deserialize(deserializer)? {
            Value::String(name) => (name, Map::new(), Map::new(), ""),
            Value::Array(tuple) => {
                let (name, table) = read_tuple(tuple).map_err(de::Error::custom)?;
                let (common, own) = table.into_iter().partition(|(key, _)| is_common(key));
                (name, common, own, "/1")
            }
            Value::Object(mut table) => {
                let Some(Value::String(name)) = table.shift_remove("name") else {
                    return Err(de::Error::custom("an entry needs a `name`"));
                };
                let own = match table.shift_remove("config") {
                    None => Map::new(),
                    Some(Value::Object(own)) => own,
                    Some(_) => return Err(de::Error::custom("`config` must be an object")),
                };
                (name, table, own, "/config")
            }
            _ => return Err(de::Error::custom("an entry is a name, [name, settings] or { \"name\": … }")),
        };
        if let Some(Value::String(base)) = common.get_mut("base") {
            *base = crate::formats::plugin_base(base).map_err(de::Error::custom)?;
        }
        let options = serde_json::from_value(Value::Object(common)).map_err(de::Error::custom)?;
        let mut entry = Self::new(&spelling, Value::Object(settings));
        entry.options = options;
        entry.settings_below = settings_below;
        Ok(entry)
    }
}

fn read_tuple(tuple: Vec<Value>) -> Result<(String, Map<String, Value>), &'static str> {
    let mut items = tuple.into_iter();
    match (items.next(), items.next(), items.next()) {
        (Some(Value::String(name)), Some(Value::Object(table)), None) => Ok((name, table)),
        (Some(Value::String(name)), None, None) => Ok((name, Map::new())),
        _ => Err("an entry in brackets is [name] or [name, { settings }]"),
    }
}

/// Is this a key that any entry takes?
pub(crate) fn is_common(key: &str) -> bool {
    EntryOptions::KEYS.contains(&key)
}

/// Writes the long form.
impl Serialize for PluginEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let options = serde_json::to_value(&self.options).map_err(serde::ser::Error::custom)?;
        let mut table = serializer.serialize_map(None)?;
        table.serialize_entry("name", &self.spelling)?;
        if let Value::Object(options) = options {
            for (key, value) in &options {
                table.serialize_entry(key, value)?;
            }
        }
        table.serialize_entry("config", &self.masked_settings())?;
        table.end()
    }
}

/// The generic form; the schema of a whole file puts each plugin's own in its place.
impl JsonSchema for PluginEntry {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        ENTRY_DEFINITION.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array" }, { "type": "object" }] })
    }
}

/// The name of the definition in the schema that stands for an entry.
pub(crate) const ENTRY_DEFINITION: &str = "PluginEntry";

/// The schema of the keys any entry takes, with its definitions.
pub(crate) static OPTIONS_SCHEMA: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(EntryOptions).to_value());
