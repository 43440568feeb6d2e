//! Nothing panics whatever the text, and a secret is never shown.

use proptest::prelude::*;

use crate::support::load_with;

/// Pieces that make texts which are nearly a configuration.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "'",
            "\\",
            "\n",
            "\t",
            " ",
            "//",
            "/*",
            "*/",
            "${",
            "$${",
            "}",
            "1",
            "-",
            "0x",
            "null",
            "true",
            "é",
            "日",
            "\"server\"",
            "\"port\"",
            "\"plugins\"",
            "\"gateway\"",
            "\"rateLimit\"",
            "\"services\"",
            "\"upstream\"",
            "\"targets\"",
            "\"url\"",
            "\"name\"",
            "\"consumers\"",
            "\"match\"",
            "\"apiKey\"",
            "\"token\"",
            "\"admin\"",
            "\"config\"",
            "\"base\"",
            "\"onError\"",
            "80",
            "\"x\"",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,3}",
    ]
}

/// A JSON value of any shape, with keys that mean something.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        prop::sample::select(vec!["", "gateway", "30s", "10mb", "/p/x", "~(", "http://x", "retry", "jwt"])
            .prop_map(serde_json::Value::from),
    ];
    let key = prop::sample::select(vec![
        "server",
        "port",
        "host",
        "tls",
        "cert",
        "admin",
        "token",
        "log",
        "level",
        "plugins",
        "required",
        "services",
        "name",
        "upstream",
        "targets",
        "url",
        "weight",
        "routes",
        "paths",
        "hosts",
        "headers",
        "consumerGroups",
        "consumers",
        "groups",
        "match",
        "apiKey",
        "claim",
        "config",
        "base",
        "onError",
        "fallback",
        "rateLimit",
        "providers",
        "type",
        "cors",
        "$schema",
        "workspaces",
        "keyBy",
        "algorithm",
        "breaker",
        "dataDir",
    ]);
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Loads a text and uses all that comes of it.
fn exercise(text: &str) -> String {
    match load_with(text, &[("A", "b")], &[]) {
        Ok(loaded) => format!("{}{}{loaded:?}", loaded.warnings.render(true), loaded.effective()),
        Err(problems) => format!("{}{}", problems.render(true), problems.to_json()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text(text in "(?s).{0,200}") {
        exercise(&text);
    }

    #[test]
    fn nearly_a_configuration(pieces in prop::collection::vec(piece(), 0..60)) {
        exercise(&pieces.concat());
    }

    #[test]
    fn any_value(value in value()) {
        exercise(&value.to_string());
    }

    #[test]
    fn a_file_cut_anywhere_is_not_loaded(cut in 0usize..2000) {
        let whole = include_str!("../fixtures/documented.jsonc").trim_end();
        let cut = (0..=cut.min(whole.len() - 1)).rev().find(|at| whole.is_char_boundary(*at)).unwrap_or(0);
        prop_assert!(load_with(&whole[..cut], &[("ACME_KEY", "k")], &[]).is_err());
    }

    /// A secret under a secret key, in a URL or from a secret variable; the file around it good or broken.
    #[test]
    fn a_planted_secret_is_never_shown(
        secret in "[A-Za-z0-9+/=_.-]{4,12}Zq9",
        slot in 0usize..9,
        wreck in prop_oneof![Just(String::new()), piece()],
        at in any::<prop::sample::Index>(),
    ) {
        let text = [
            format!(r#"{{ "admin": {{ "token": "{secret}" }} }}"#),
            format!(r#"{{ "admin": {{ "token": {secret} }} }}"#),
            format!("{{ \"admin\": {{ \"token\": \"{secret} \n}} }}"),
            format!(r#"{{ "plugins": [["gateway", {{ "apiKey": "{secret}", "providers": [{{ "type": "jwt", "secret": "{secret}" }}] }}]] }}"#),
            format!(r#"{{ "plugins": [["gateway", {{ "providers": [{{ "type": "api_key", "keys": ["{secret}", 1] }}] }}]] }}"#),
            format!(r#"{{ "plugins": [["llm", {{ "keys": [{{ "value": "{secret}", "weight": "x" }}] }}]] }}"#),
            format!(r#"{{ "plugins": [["database", {{ "url": "postgres://u:{secret}@db" }}]], "prot": 1 }}"#),
            format!(r#"{{ "consumers": [{{ "name": "a", "match": [{{ "apiKey": "{secret}" }}, {{ "apiKey": "{secret}" }}] }}] }}"#),
            r#"{ "log": { "level": "${MY_TOKEN}" }, "plugins": [["gateway", { "algorithm": "${MY_TOKEN}", "apiKey": "x" }]] }"#.to_owned(),
        ];
        let mut text = text[slot].clone();
        // The wreck goes behind the secret or before it, never into it.
        let spots: Vec<usize> = (0..=text.len())
            .filter(|spot| text.is_char_boundary(*spot) && !text.match_indices(&secret).any(|(s, _)| *spot > s && *spot < s + secret.len()))
            .filter(|spot| *spot == 0 || *spot >= text.rfind(&secret).map_or(0, |s| s + secret.len() + 1))
            .collect();
        if !wreck.is_empty() {
            let spot = spots[at.index(spots.len())].min(text.len());
            text.insert_str(spot, &wreck);
        }
        let env = [("MY_TOKEN", secret.as_str())];
        let shown = match load_with(&text, &env, &[]) {
            Ok(loaded) => format!("{}{}{}{loaded:?}", loaded.warnings.render(false), loaded.warnings.to_json(), loaded.effective()),
            Err(problems) => format!("{}{}", problems.render(false), problems.to_json()),
        };
        prop_assert!(!shown.contains(&secret), "{}\n{}", text, shown);
    }
}
