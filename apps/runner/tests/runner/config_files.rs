//! The default configuration loads, and the schema is the one this build prints.

use std::path::{Path, PathBuf};

use buntime_config::{Context, FixedCatalog, Source, load};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config")
}

#[tokio::test]
async fn the_default_file_passes_check() {
    let file = root().join("buntime.jsonc");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_runner"));
    let ran = command.arg("check").arg(&file).env_clear().output().await.unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && told.is_empty(), "{told}");
}

#[tokio::test]
async fn the_schema_is_up_to_date() {
    let ran = tokio::process::Command::new(env!("CARGO_BIN_EXE_runner")).arg("schema").output().await.unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    let kept = std::fs::read_to_string(root().join("schema/buntime.schema.json")).unwrap();
    assert!(printed == kept, "run `cargo xtask schema`");
}

#[test]
fn a_catalog_without_plugins_still_reads_the_rest() {
    let source = Source::Text { file: "x.jsonc".into(), text: "{ \"server\": { \"port\": 1 } }".into() };
    let env: [(&str, &str); 0] = [];
    let loaded = load(&source, &Context { catalog: &FixedCatalog::new(), env: &env, plugins: &[] }).unwrap();
    assert_eq!(loaded.config.server.port, 1);
}
