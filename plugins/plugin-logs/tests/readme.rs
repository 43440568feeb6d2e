//! What the README shows works: its configuration starts, its requests are answered, its defaults are the defaults.

use jsonc_parser::{ParseOptions, cst::CstRootNode};
use plugin_logs::{LogBus, LogsPlugin, LogsSettings, config::OtlpSettings};
use serde_json::{Value, json};

const README: &str = include_str!("../README.md");

#[tokio::test]
async fn what_it_shows_works() {
    buntime_testing::readme(README, || LogsPlugin::on(LogBus::new())).await;
}

#[test]
fn it_shows_every_key_with_its_default() {
    let block = README.split("```jsonc\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let shown: Value = CstRootNode::parse(block, &ParseOptions::default()).unwrap().to_serde_value().unwrap();
    let mut defaults = serde_json::to_value(LogsSettings::default()).unwrap();
    let otlp: OtlpSettings = serde_json::from_value(json!({ "endpoint": "http://127.0.0.1:4318" })).unwrap();
    defaults["otlp"] = serde_json::to_value(otlp).unwrap();
    assert_eq!(shown[1], defaults);
}
