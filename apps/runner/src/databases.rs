//! The databases that the configuration of plugin-database and the environment ask for, whether or not that plugin runs.

use std::path::Path;

use buntime_config::{Config, Env, Loaded, PluginEntry, Problem};
use buntime_core::PluginName;
use buntime_database::{
    Registry,
    settings::{self, AdapterSettings, FromEnvironment, Mistake},
};
use serde_json::Value;

use crate::start::StartError;

/// Whose settings list them.
const PLUGIN: &str = "@buntime/plugin-database";

fn entry(config: &Config) -> Option<&PluginEntry> {
    let name = PluginName::new(PLUGIN);
    config.plugins.iter().find(|entry| entry.name == name)
}

/// What is written there, as it is.
pub(crate) fn written(config: &Config) -> Option<&Value> {
    entry(config)?.settings.get("adapters")
}

/// `adapters`, and where they stand.
struct Written {
    pointer: String,
    list: Vec<AdapterSettings>,
}

impl Written {
    /// `None`: the plugin whose settings they are says what is wrong with them.
    fn read(config: &Config) -> Result<Self, Problem> {
        let Some(entry) = entry(config) else { return Ok(Self { pointer: String::new(), list: Vec::new() }) };
        let pointer = format!("{}{}/adapters", entry.pointer, entry.settings_below);
        let Some(value) = entry.settings.get("adapters") else { return Ok(Self { pointer, list: Vec::new() }) };
        let Some(values) = value.as_array() else {
            return Err(Problem::at(pointer, "expected a list of adapters"));
        };
        let read = |(at, value): (usize, &Value)| {
            serde_json::from_value(value.clone())
                .map_err(|error| Problem::at(format!("{pointer}/{at}"), error.to_string()))
        };
        let list = values.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { pointer, list })
    }

    fn problem(&self, mistake: Mistake) -> Problem {
        let pointer = match mistake.at {
            Some((at, key)) => format!("{}/{at}/{key}", self.pointer),
            None => String::new(),
        };
        Problem::at(pointer, mistake.message)
    }
}

fn from_environment(env: &dyn Env) -> FromEnvironment {
    FromEnvironment::read(|name| env.var(name))
}

/// What is against the rules. What is no adapter at all is for the plugin to tell, which reads the same.
pub(crate) fn judge(config: &Config, env: &dyn Env) -> Vec<Problem> {
    let Ok(written) = Written::read(config) else { return Vec::new() };
    let judged = settings::judge(&written.list, &from_environment(env));
    judged.err().into_iter().flatten().map(|mistake| written.problem(mistake)).collect()
}

/// Opens them.
///
/// # Errors
/// At its place in the file, for what is written there; otherwise it names the data directory or the address.
pub(crate) async fn open(loaded: &Loaded, env: &dyn Env) -> Result<Registry, StartError> {
    let config = &loaded.config;
    let refuse = |problems: Vec<Problem>| StartError::Config(Box::new(loaded.diagnostics(problems)));
    let written = Written::read(config).map_err(|problem| refuse(vec![problem]))?;
    let all = settings::judge(&written.list, &from_environment(env))
        .map_err(|mistakes| refuse(mistakes.into_iter().map(|mistake| written.problem(mistake)).collect()))?;
    let in_data_dir = matches!(all.as_slice(), [(AdapterSettings::Sqlite(sqlite), _)] if sqlite.url.is_none());
    let base: &Path = &loaded.dir;
    settings::open(&all, written.list.len(), base, &config.data_dir).await.map_err(|(mistakes, source)| {
        if in_data_dir {
            return StartError::Data { path: config.data_dir.clone(), source };
        }
        refuse(mistakes.into_iter().map(|mistake| written.problem(mistake)).collect())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn config(adapters: &Value) -> Config {
        let mut config = Config::default();
        config.plugins.push(PluginEntry::new("database", json!({ "adapters": adapters })));
        config
    }

    fn judged(adapters: &Value, env: &[(&str, &str)]) -> Vec<(String, String)> {
        let env: BTreeMap<String, String> =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        judge(&config(adapters), &env).into_iter().map(|problem| (problem.pointer, problem.message)).collect()
    }

    #[test]
    fn mistakes_are_told_at_their_places() {
        let twice = json!([{ "type": "sqlite", "default": true }, { "type": "sqlite", "default": true }]);
        let told = judged(&twice, &[]);
        let places: Vec<_> = told.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert!(places[0].ends_with("/adapters/1/type") && places[1].ends_with("/adapters/1/default"), "{told:?}");
        let libsql = json!([{ "type": "libsql" }]);
        assert!(judged(&libsql, &[]).iter().any(|(_, message)| message.contains("LIBSQL_URL_0")));
        assert!(judged(&libsql, &[("LIBSQL_URL_0", "http://127.0.0.1:1")]).is_empty());
    }

    #[test]
    fn what_is_no_adapter_is_told_where_it_stands() {
        let problem = Written::read(&config(&json!([{ "type": "sqlite" }, { "type": "mysql" }]))).err().unwrap();
        assert!(problem.pointer.ends_with("/adapters/1") && problem.message.contains("mysql"), "{problem:?}");
        assert_eq!(written(&config(&json!([]))), Some(&json!([])));
        assert!(entry(&Config::default()).is_none());
    }
}
