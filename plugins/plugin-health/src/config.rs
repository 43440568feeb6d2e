//! Settings of the plugin.

use buntime_core::{Exposure, Settings, SettingsProblem, units::Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the plugin takes in `buntime.jsonc`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HealthSettings {
    /// How long each check may take; then it counts as unhealthy.
    pub timeout: Span,
    /// Who asks within this time after a run is told its result. Checks never run more than once at a time.
    pub cache_for: Span,
    /// Who may ask: `public`, or `admin` for holders of the admin token, who also see why a plugin does not run.
    pub access: Exposure,
    /// Checks that only degrade the whole when they are unhealthy: names, or beginnings of names followed by `*`.
    pub tolerate: Vec<String>,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            timeout: Span::secs(5),
            cache_for: Span::secs(1),
            access: Exposure::Public,
            tolerate: vec!["upstream:*".to_owned()],
        }
    }
}

impl HealthSettings {
    /// Does that check only degrade the whole?
    pub fn tolerates(&self, check: &str) -> bool {
        self.tolerate.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => check.starts_with(beginning),
            None => check == pattern,
        })
    }
}

impl Settings for HealthSettings {
    fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let mut wrong = |pointer: String, message: &str, help: &str| {
            problems.push(SettingsProblem::new(pointer, message).with_help(help));
        };
        if !(Span::millis(10)..=Span::secs(300)).contains(&self.timeout) {
            wrong("/timeout".into(), "it is out of range", "write a duration from 10ms to 5m");
        }
        if self.cache_for > Span::secs(300) {
            wrong("/cacheFor".into(), "it is too long", "write a duration up to 5m");
        }
        for (index, pattern) in self.tolerate.iter().enumerate() {
            if pattern.is_empty() || pattern.trim_end_matches('*').contains('*') || pattern.ends_with("**") {
                let help = "write a check's name, or its beginning and one `*`, such as \"upstream:*\"";
                wrong(format!("/tolerate/{index}"), "it is no pattern of a check's name", help);
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buntime_core::SettingsSpec;
    use serde_json::json;

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        let spec = SettingsSpec::of::<HealthSettings>();
        assert_eq!(spec.check(&json!({})), []);
        let all = json!({ "timeout": 0, "cacheFor": "1h", "tolerate": ["fine:*", "", "a*b", "a**"] });
        let places: Vec<String> = spec.check(&all).into_iter().map(|p| p.pointer).collect();
        assert_eq!(places, ["/timeout", "/cacheFor", "/tolerate/1", "/tolerate/2", "/tolerate/3"]);
    }

    #[test]
    fn patterns_match_whole_names_or_beginnings() {
        let tolerate = vec!["disk".to_owned(), "upstream:*".to_owned()];
        let settings = HealthSettings { tolerate, ..HealthSettings::default() };
        assert!(settings.tolerates("disk") && settings.tolerates("upstream:users"));
        assert!(!settings.tolerates("disk:1") && !settings.tolerates("adapter:sqlite"));
        assert!(HealthSettings { tolerate: vec!["*".into()], ..settings }.tolerates("anything"));
    }
}
