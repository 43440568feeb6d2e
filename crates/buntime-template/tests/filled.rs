//! Templates, filled in from exchanges.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use buntime_core::{Cx, Host, Http, Meta, Step, handler_fn};
use buntime_template::{JsonTemplate, Known, Template, View};
use http::{HeaderValue, Request, Response};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Shows an exchange to `look`.
fn within<T: Send + 'static>(look: impl Fn(&mut Cx<Http>) -> T + Send + Sync + 'static) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let host = Host::builder().start().await.unwrap();
        let seen = Arc::new(Mutex::new(None));
        let kept = seen.clone();
        let handler = handler_fn::<Http, _>(move |cx: &mut Cx<Http>| {
            *kept.lock().unwrap() = Some(look(cx));
            Step::ready(Response::new(Body::empty()).into())
        });
        let request = Request::builder()
            .uri("/v1/a%20b/c?q=x+y&q=2&n=%ff")
            .header("host", "shop.example")
            .header("x-one", "1")
            .header("x-one", "2")
            .header("cookie", "a=1; sid=s=1")
            .body(Body::empty())
            .unwrap();
        let chain = host.live().chain().clone();
        chain.respond(Meta::new(HeaderValue::from_static("id-1")), request, Arc::new(handler)).await;
        host.stop(std::time::Duration::from_secs(1)).await;
        let found = seen.lock().unwrap().take();
        found.unwrap()
    })
}

fn known() -> Known {
    Known { body: true, captures: Some(regex::Regex::new("^/(?<version>[^/]+)/(.*)$").unwrap()), ..Known::default() }
}

fn filled(text: &'static str) -> Option<String> {
    within(move |cx| {
        cx.set_named("enricher", json!({ "tier": "gold", "n": 3, "roles": ["a", "b"] })).unwrap();
        let body = json!({ "user": { "id": 7, "tags": ["x", 1] }, "none": null });
        let known = known();
        let captures = known.captures.as_ref().unwrap().captures("/v1/rest/of/it");
        let template = Template::new(text, &known).unwrap_or_else(|bad| panic!("{text}: {bad}"));
        let view = View::new(cx).body(Some(&body)).captures(captures.as_ref());
        template.text(&view).map(std::borrow::Cow::into_owned)
    })
}

#[test]
fn values_are_filled_in() {
    for (text, expected) in [
        ("plain", Some("plain")),
        ("", Some("")),
        ("{{method}} ${path}", Some("GET /v1/a%20b/c")),
        ("{{ path.2 }}", Some("a%20b")),
        ("{{path.9}}", None),
        ("{{query.q}}|{{query}}", Some("x y|q=x+y&q=2&n=%ff")),
        ("{{query.n ?? bad}}", Some("bad")),
        ("{{header.X-One}}", Some("1")),
        ("a{{header.x-none}}", None),
        ("a{{header.x-none ?? b}}", Some("ab")),
        ("{{header.x-none ?? 'b }} '}}", Some("b }} ")),
        ("{{cookie.sid}}", Some("s=1")),
        ("{{host}} {{scheme}} {{request_id}}", Some("shop.example http id-1")),
        ("{{consumer}}", None),
        ("{{claim.sub ?? nobody}}", Some("nobody")),
        ("{{body/user/id}}", Some("7")),
        ("{{body/user/tags}}", Some("x,1")),
        ("{{body/user}}", Some(r#"{"id":7,"tags":["x",1]}"#)),
        ("{{body/none}}", None),
        ("{{value.enricher/tier}}{{value.enricher/n}}", Some("gold3")),
        ("{{capture.version}}/{{capture.2}}", Some("v1/rest/of/it")),
        ("{{'{{'}}x{{\"${\"}}", Some("{{x${")),
        ("a}}b}$x{", Some("a}}b}$x{")),
    ] {
        assert_eq!(filled(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn json_keeps_kinds_and_leaves_out_what_is_not_there() {
    let value = within(|cx| {
        let body = json!({ "n": 7, "list": [1, 2], "deep": { "a": true } });
        let text = json!({
            "n": "{{body/n}}", "text": "n={{body/n}}", "list": "${body/list}", "none": "{{body/none}}", "other": "{{body/none ?? x}}",
            "all": ["{{body/deep}}", "{{body/none}}", 1, null, "{{header.x-one}}"], "{{name}}": "{{'{{'}}",
        });
        JsonTemplate::new(&text, &known(), "").unwrap().value(&View::new(cx).body(Some(&body))).unwrap()
    });
    let expected = json!({
        "n": 7, "text": "n=7", "list": [1, 2], "other": "x", "all": [{ "a": true }, 1, null, "1"], "{{name}}": "{{",
    });
    assert_eq!(value, expected);
}

#[test]
fn what_goes_into_a_url_is_encoded_but_for_what_comes_from_one() {
    let text = within(|cx| {
        let body = json!({ "id": "../a b/é?x#%" });
        let template = Template::new("/x/{{body/id}}/{{path.2}}?q={{query.q}}", &known()).unwrap();
        template.encoded(&View::new(cx).body(Some(&body))).unwrap()
    });
    assert_eq!(text, "/x/..%2Fa%20b%2F%C3%A9%3Fx%23%25/a%20b?q=x%20y");
}

#[test]
fn what_names_nothing_is_told_with_what_was_meant() {
    for (text, says) in [
        ("{{heder.x}}", "did you mean `header.x`"),
        ("{{requestId}}", "did you mean `request_id`"),
        ("{{request-id}}", "did you mean `request_id`"),
        ("{{identity.subjekt}}", "did you mean `identity.subject`"),
        ("{{identity.email}}", "claim.NAME"),
        ("{{header}}", "header.NAME"),
        ("{{header.a b}}", "names nothing"),
        ("{{}}", "write one of"),
        ("{{1+1}}", "write one of"),
        ("{{path.0}}", "from 1"),
        ("{{body.user}}", "JSON Pointer"),
        ("{{body/~2}}", "no JSON Pointer"),
        ("{{response.header.x}}", "no response yet"),
        ("{{status}}", "no response yet"),
        ("{{capture.3}}", "fewer groups"),
        ("{{capture.versoin}}", "did you mean `capture.version`"),
        ("{{method", "never closed"),
        ("${method", "never closed"),
        ("{{'method}}", "never closed"),
    ] {
        let told = Template::new(text, &known()).unwrap_err().to_string();
        assert!(told.contains(says), "{text}: {told}");
    }
    let nothing = Known::default();
    assert!(Template::new("{{body/a}}", &nothing).unwrap_err().to_string().contains("no body is read here"));
    assert!(Template::new("{{capture.1}}", &nothing).unwrap_err().to_string().contains("no pattern"));
    let text: Value = json!({ "a/b": ["x", "{{heder.x}}"], "c": "{{stats}}" });
    let told = JsonTemplate::new(&text, &nothing, "/value").unwrap_err();
    let places: Vec<&str> = told.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(places, ["/value/a~1b/1", "/value/c"]);
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_or_refused(text in "[a-z.{}$'\"? /é]{0,24}") {
        if let Ok(template) = Template::new(&text, &known())
            && template.sources().next().is_none()
        {
            prop_assert_eq!(template.constant(), Some(text.as_str()));
        }
    }
}
