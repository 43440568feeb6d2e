//! The README is held to its word.

use plugin_enricher::EnricherPlugin;

#[tokio::test]
async fn the_readme_is_true() {
    buntime_testing::readme(include_str!("../README.md"), || EnricherPlugin).await;
}
