//! A plugin's README is tested: its configuration starts the plugin, its `curl` lines are answered.
//!
//! Taken are ```` ```jsonc ```` blocks that hold an entry of `plugins` as a tuple, `["name", { … }]`, and the lines of
//! ```` ```sh ```` blocks that begin with `curl`. A line takes `-X`, `-H`, `-d` and options that say nothing about the
//! request (`-s`, `-i`, `-N`).

use std::time::Duration;

use axum::{Router, body::Body};
use buntime_core::{Host, Plugin, PluginName, services::Services};
use http::{Method, Request, Uri, header};
use jsonc_parser::{ParseOptions, cst::CstRootNode};
use serde_json::Value;
use tower::ServiceExt;

/// Starts the plugin with every entry of the README, and with the first one sends every `curl` line to it.
///
/// # Panics
/// If there is no entry or no `curl` line, one is malformed, the plugin does not start, or an answer is not a 2xx.
pub async fn readme<P: Plugin>(text: &str, make: impl Fn() -> P) {
    readme_with(text, make, Services::default).await;
}

/// Like [`readme`], for a plugin that needs services of the host: `services` makes them, for each start anew.
///
/// # Panics
/// As [`readme`].
pub async fn readme_with<P: Plugin>(text: &str, make: impl Fn() -> P, services: impl Fn() -> Services) {
    let entries: Vec<Value> = blocks(text, "jsonc").iter().map(|block| entry(block, &make().metadata().name)).collect();
    let curls: Vec<String> = blocks(text, "sh")
        .iter()
        .flat_map(|b| b.lines())
        .filter(|l| l.starts_with("curl "))
        .map(str::to_owned)
        .collect();
    assert!(!entries.is_empty(), "the README shows no configuration");
    assert!(!curls.is_empty(), "the README shows no curl line");
    let data = tempfile::tempdir().expect("a temporary directory");
    for (index, settings) in entries.into_iter().enumerate() {
        let host = Host::builder().plugin(make(), settings.clone()).services(services()).data_dir(data.path());
        let host = host.start().await;
        let host = host.unwrap_or_else(|problems| panic!("{settings} does not start: {problems:?}"));
        if index == 0 {
            let app = Router::new().merge(host.router()).merge(host.admin_router()).layer(host.layer());
            for line in &curls {
                let answer = app.clone().oneshot(request(line)).await.unwrap_or_else(|never| match never {});
                assert!(answer.status().is_success(), "{line}: {}", answer.status());
            }
        }
        host.stop(Duration::from_secs(5)).await;
    }
}

/// The fenced blocks of that language, whole.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(fence) = line.trim().strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
        if fence == language {
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

fn entry(block: &str, name: &PluginName) -> Value {
    let parsed = CstRootNode::parse(block, &ParseOptions::default());
    let value = parsed.unwrap_or_else(|error| panic!("{error} in\n{block}")).to_serde_value().unwrap_or_default();
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(named), settings]) if PluginName::new(named) == *name => settings.clone(),
        _ => panic!("not an entry of `{name}` as [name, settings]:\n{block}"),
    }
}

/// The request that a `curl` line makes.
fn request(line: &str) -> Request<Body> {
    let (mut method, mut uri, mut body) = (None, None, None);
    let mut builder = Request::builder();
    let mut words = words(line).into_iter().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{line}: `{word}` needs a value"));
        match word.as_str() {
            "-X" => method = Some(value().parse::<Method>().unwrap_or_else(|error| panic!("{line}: {error}"))),
            "-d" => body = Some(value()),
            "-H" => {
                let field = value();
                let (name, text) = field.split_once(':').unwrap_or_else(|| panic!("{line}: `{field}` is no header"));
                builder = builder.header(name, text.trim());
            }
            option if option.starts_with('-') => {}
            target => uri = Some(target.parse::<Uri>().unwrap_or_else(|error| panic!("{line}: {error}"))),
        }
    }
    let uri = uri.unwrap_or_else(|| panic!("{line}: no URL"));
    let host = uri.authority().unwrap_or_else(|| panic!("{line}: the URL is not absolute")).to_string();
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let method = method.unwrap_or(if body.is_some() { Method::POST } else { Method::GET });
    let request =
        builder.method(method).uri(path).header(header::HOST, host).body(Body::from(body.unwrap_or_default()));
    request.unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// Splits at blanks, except within single or double quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c.is_whitespace() => words.push(String::new()),
            _ => words.last_mut().unwrap_or_else(|| unreachable!("there is always a word")).push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curl_lines_become_requests() {
        let get = request("curl -sN http://127.0.0.1:8000/p/x/api?a=1");
        assert_eq!((get.method(), get.uri().to_string().as_str()), (&Method::GET, "/p/x/api?a=1"));
        let post = request(r#"curl -s -X PUT -H 'Content-Type: application/json' -d '{"a": 1}' "http://h:1/b""#);
        assert_eq!((post.method(), post.uri().path()), (&Method::PUT, "/b"));
        assert_eq!(post.headers()[header::CONTENT_TYPE], "application/json");
        assert_eq!(request("curl -d x http://h/").method(), Method::POST);
    }

    #[test]
    fn blocks_are_told_apart() {
        let text = "a\n```sh\none\ntwo\n```\n```jsonc\n[]\n```\n";
        assert_eq!((blocks(text, "sh"), blocks(text, "jsonc")), (vec!["one\ntwo".into()], vec!["[]".into()]));
    }
}
