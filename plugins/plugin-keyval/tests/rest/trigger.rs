//! Another plugin that takes the store as a typed service, and is called for what clients do.

use async_trait::async_trait;
use buntime_core::{BoxError, Metadata, Plugin, Startup};
use buntime_keyval::{
    Engine, Limits,
    engine::{Changed, Effect, Signalled, Wanted},
    key,
};
use serde_json::json;
use tokio::sync::mpsc;

use crate::world::World;

struct Listener(mpsc::UnboundedSender<Changed>);

#[async_trait]
impl Plugin for Listener {
    fn metadata(&self) -> Metadata {
        Metadata::new("listener", "1.0.0").with_depends_on(["@buntime/plugin-keyval"]).with_priority(40)
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let kv = startup.require::<Engine>()?.namespace("default", Limits::DENO).await?;
        let mut subscription = kv.subscribe(key!["orders"], Wanted::All);
        let sender = self.0.clone();
        startup.spawn(async move {
            while let Signalled::Changed(changed) = subscription.next().await {
                let _ = sender.send(changed);
            }
        });
        Ok(())
    }
}

#[tokio::test]
async fn another_plugin_is_told_what_clients_do() {
    let (sender, mut told) = mpsc::unbounded_channel();
    let world = World::beside(Listener(sender)).await;
    let stamp = world.put("/api/keys/orders/1", &json!({ "total": 5 })).await.ok()["versionstamp"].clone();
    world.put("/api/keys/other/1", &json!(1)).await.ok();
    world.delete("/api/keys/orders").await.ok();
    let set = told.recv().await.expect("it was set");
    assert_eq!((set.key, json!(set.versionstamp.to_string())), (key!["orders", 1], stamp));
    assert!(matches!(set.what, Effect::Set { .. }));
    let gone = told.recv().await.expect("it was deleted");
    assert_eq!((gone.key, gone.what), (key!["orders", 1], Effect::Deleted));
}
