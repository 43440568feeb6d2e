//! Settings of the plugin.

use buntime_core::{Settings, SettingsProblem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::networks;

/// What the plugin takes in `buntime.jsonc`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IpRestrictionSettings {
    /// Addresses and networks that are let in, and nobody else: `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32`. Without it
    /// everybody is who is not denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// Addresses and networks that are kept out, whatever `allow` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny: Option<Vec<String>>,
    /// `enforce`, or `observe`: only counts and logs who would be kept out. Default `enforce`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<ModeName>,
    /// What a refusal's status is. 404 looks like any path that there is not. Default 403.
    #[schemars(range(min = 400, max = 599))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What a refusal's `detail` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What becomes of who is not allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModeName {
    /// Refused.
    #[default]
    Enforce,
    /// Let through, counted and logged.
    Observe,
}

const LONGEST_MESSAGE: usize = 1000;

impl Settings for IpRestrictionSettings {
    fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        if let Some(allow) = &self.allow {
            networks::check(allow, "allow", &mut problems);
            if allow.is_empty() {
                let help =
                    "leave `allow` out to let everybody in; write `deny`: [\"0.0.0.0/0\", \"::/0\"] to let in nobody";
                problems.push(SettingsProblem::new("/allow", "an empty list lets nobody in").with_help(help));
            }
        }
        if let Some(deny) = &self.deny {
            networks::check(deny, "deny", &mut problems);
        }
        if let (Some(allow), Some(deny), true) = (&self.allow, &self.deny, problems.is_empty()) {
            networks::check_against(allow, deny, &mut problems);
        }
        if self.status.is_some_and(|status| !(400..=599).contains(&status)) {
            problems
                .push(SettingsProblem::new("/status", "it is no error status").with_help("write one from 400 to 599"));
        }
        if self.message.as_ref().is_some_and(|message| message.len() > LONGEST_MESSAGE) {
            let problem = SettingsProblem::new("/message", "it is too long");
            problems.push(problem.with_help(format!("write at most {LONGEST_MESSAGE} bytes")));
        }
        problems
    }
}
