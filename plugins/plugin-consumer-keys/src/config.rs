//! The settings.

use buntime_core::Settings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the plugin. Whose key is which says `consumers[].match` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConsumerKeysSettings {
    /// Is a key that was recognised passed on to the upstream? Default false.
    pub forward_key: bool,
}

impl Settings for ConsumerKeysSettings {}
