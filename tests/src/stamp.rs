//! A plugin whose settings can be seen from outside: it stamps answers with them, and counts.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use buntime_core::{
    BoxError, Capability, Cx, HookSet, Hooks, Http, Metadata, Plugin, Post, Settings, SettingsSpec, Stages, Startup,
    Step,
};
use http::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `stamp`, priority 15: answers get `x-stamp: <texts> <count>`, where the count is of the level that configured the
/// texts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stamp;

/// Its settings.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct StampSettings {
    /// By name, so that levels can change one of them.
    texts: Vec<Text>,
    /// Not to be seen.
    secret_token: String,
}

/// One text.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Text {
    /// Its name.
    name: String,
    /// What it says.
    text: String,
}

impl Settings for StampSettings {}

#[async_trait]
impl Plugin for Stamp {
    fn metadata(&self) -> Metadata {
        Metadata::new("stamp", "1.0.0")
            .with_description("Stamps answers.")
            .with_capabilities([Capability::Middleware])
            .with_priority(15)
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<StampSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: StampSettings = startup.settings()?;
        let words: Vec<&str> = settings.texts.iter().map(|text| text.text.as_str()).collect();
        let origin = startup.origin("/texts").clone();
        let count = startup.keep_at(&origin, "count", || AtomicU64::new(0));
        startup.hooks(HookSet::new("stamp", Stamper { words: words.join(","), count }));
        Ok(())
    }
}

struct Stamper {
    words: String,
    count: Arc<AtomicU64>,
}

impl Hooks<Http> for Stamper {
    fn stages(&self) -> Stages {
        Stages::POST
    }

    fn post<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Post<Http>> {
        let count = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(head) = cx.response_mut()
            && let Ok(value) = HeaderValue::try_from(format!("{} {count}", self.words))
        {
            head.headers.insert("x-stamp", value);
        }
        Step::ready(Post::Continue)
    }
}
