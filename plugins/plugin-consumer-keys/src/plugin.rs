//! The plugin: what it is called, and what it registers.

use async_trait::async_trait;
use buntime_core::{Access, BoxError, Capability, HookSet, Metadata, Plugin, SettingsSpec, Startup};

use crate::{ConsumerKeysSettings, api, hooks::KeyHooks};

/// `@buntime/plugin-consumer-keys`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConsumerKeysPlugin;

#[async_trait]
impl Plugin for ConsumerKeysPlugin {
    fn metadata(&self) -> Metadata {
        Metadata::new("@buntime/plugin-consumer-keys", env!("CARGO_PKG_VERSION"))
            .with_description("Recognises consumers by their API keys, where there is no auth plugin.")
            .with_capabilities([Capability::AuthProvider, Capability::Routes])
            .with_priority(10)
            .refusing()
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<ConsumerKeysSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: ConsumerKeysSettings = startup.settings()?;
        let hooks = KeyHooks { context: startup.context(), forward_key: settings.forward_key };
        startup.hooks(HookSet::new("keys", hooks));
        startup.routes(Access::Data, api::router());
        startup.openapi(api::openapi());
        Ok(())
    }
}
