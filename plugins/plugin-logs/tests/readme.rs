//! What the README shows works: its configuration starts, its requests are answered.

mod common;

use axum::{body::Body, http::Request};
use common::Fixture;

const README: &str = include_str!("../README.md");

/// The blocks of code in that language.
fn blocks(language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        if line == format!("```{language}") {
            blocks.push(lines.by_ref().take_while(|line| *line != "```").collect::<Vec<_>>().join("\n"));
        }
    }
    assert!(!blocks.is_empty(), "no {language} in the README");
    blocks
}

/// A line of shell as its words; quotes keep words together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

#[tokio::test]
async fn the_configuration_starts_and_the_requests_are_answered() {
    for block in blocks("jsonc") {
        let settings: serde_json::Value = jsonc_parser::parse_to_serde_value(&block, &jsonc_parser::ParseOptions::default()).unwrap();
        let fixture = Fixture::start(settings).await;
        for line in blocks("sh").iter().flat_map(|block| block.lines()) {
            let words = words(line);
            let url = words.iter().find(|word| word.starts_with("http://")).unwrap();
            let path = url.strip_prefix("http://127.0.0.1:8000").unwrap();
            let after = |flag: &str| words.iter().skip_while(|word| *word != flag).nth(1).cloned();
            let request = Request::builder().method(after("-X").as_deref().unwrap_or("GET")).uri(path);
            let body = after("-d").map_or_else(Body::empty, Body::from);
            let response = fixture.send(request.body(body).unwrap()).await;
            assert!(response.status().is_success(), "{line}: {}", response.status());
        }
        fixture.host.stop(std::time::Duration::from_secs(5)).await;
    }
}

#[test]
fn the_configuration_shows_every_key_with_its_default() {
    let settings: serde_json::Value =
        jsonc_parser::parse_to_serde_value(&blocks("jsonc")[0], &jsonc_parser::ParseOptions::default()).unwrap();
    let mut defaults = serde_json::to_value(plugin_logs::LogsSettings::default()).unwrap();
    let otlp: plugin_logs::config::OtlpSettings =
        serde_json::from_value(serde_json::json!({ "endpoint": "http://127.0.0.1:4318" })).unwrap();
    defaults["otlp"] = serde_json::to_value(otlp).unwrap();
    assert_eq!(settings, defaults);
}
