//! A plugin's settings: read one way, with a schema and every problem at once.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Something wrong in a plugin's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingsProblem {
    /// Where, as a JSON Pointer (RFC 6901); empty for the whole.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl SettingsProblem {
    /// A problem at that place.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into(), help: None }
    }

    /// What to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for SettingsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.is_empty() {
            write!(f, "at {}: ", self.pointer)?;
        }
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

/// Settings of a plugin. Derive `Deserialize` with `deny_unknown_fields`, `Serialize` and `JsonSchema`.
pub trait Settings: DeserializeOwned + Serialize + JsonSchema + Send + Sync + 'static {
    /// What is wrong beyond the types. All problems at once.
    fn problems(&self) -> Vec<SettingsProblem> {
        Vec::new()
    }
}

/// No settings at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

impl Settings for NoSettings {}

type Check = dyn Fn(&Value) -> Vec<SettingsProblem> + Send + Sync;

/// What a plugin's settings must be.
#[derive(Clone)]
pub struct SettingsSpec {
    /// Made when somebody asks: it costs far more than to check settings, which happens for every entry of a reload.
    schema: Arc<LazyLock<Value>>,
    check: Arc<Check>,
}

impl SettingsSpec {
    /// Those of a type.
    pub fn of<T: Settings>() -> Self {
        let schema = LazyLock::<Value>::new(|| schemars::schema_for!(T).to_value());
        Self { schema: Arc::new(schema), check: Arc::new(|value| read::<T>(value).err().unwrap_or_default()) }
    }

    /// Anything: for plugins that read their settings themselves.
    pub fn any() -> Self {
        Self { schema: Arc::new(LazyLock::new(|| Value::Bool(true))), check: Arc::new(|_| Vec::new()) }
    }

    /// Their JSON schema.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Everything that is wrong with these settings.
    pub fn check(&self, settings: &Value) -> Vec<SettingsProblem> {
        (self.check)(settings)
    }
}

impl fmt::Debug for SettingsSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingsSpec").field("schema", self.schema()).finish_non_exhaustive()
    }
}

/// Reads settings. `null` stands for none given.
pub(crate) fn read<T: Settings>(value: &Value) -> Result<T, Vec<SettingsProblem>> {
    let empty = Value::Object(serde_json::Map::new());
    let value = if value.is_null() { &empty } else { value };
    let settings: T =
        T::deserialize(value).map_err(|error| vec![SettingsProblem::new(String::new(), error.to_string())])?;
    let problems = settings.problems();
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}
