//! The connection goes to an address that was judged, whatever a name resolves to.

use super::*;

#[tokio::test]
async fn a_call_goes_to_the_pinned_address_with_the_names_host() {
    let (a, b) = (echo("a").await, echo("b").await);
    let client = pair(&a, &b);
    let call = secrets(Call::post("http://a.example/x/../y?z#f", "body"));
    let answer = client.fetch(call).await.unwrap();
    let text = text(&answer);
    assert!(text.starts_with("a POST /y?z ") && text.ends_with(" [body]"), "{text}");
    assert!(text.contains("host=a.example ") && text.contains("content-length=4"), "{text}");
    assert!(text.contains("authorization=secret") && text.contains("x-own=secret"), "{text}");
    assert!(!text.contains("proxy-authorization") && !text.contains("connection=secret"), "{text}");
    assert_eq!(answer.extensions().get::<Landed>().unwrap().0.as_str(), "http://a.example/y?z");
}

#[tokio::test]
async fn a_name_that_is_rebound_after_the_check_leads_to_the_checked_address() {
    let (a, b) = (echo("a").await, echo("b").await);
    let names = FakeNames::new().with("a.example", &[A]).with("a.example", &[B]);
    let (client, names) = client(names);
    let client = client.detour(at(A, 80), a.address()).detour(at(B, 80), b.address());
    let pinned = client.guard().check("http://a.example/").await.unwrap();
    assert_eq!(pinned.addresses(), [at(A, 80)]);
    // From here on the name is another server's; another check would say so.
    assert_eq!(client.guard().check("http://a.example/").await.unwrap().addresses(), [at(B, 80)]);
    let answer = client.send_pinned(pinned, Call::get("http://ignored.example/")).await.unwrap();
    assert!(text(&whole(answer).await.unwrap()).starts_with("a GET / "));
    assert_eq!(names.asked("a.example"), 2);
    let answer = client.fetch(Call::get("http://a.example/")).await.unwrap();
    assert!(text(&answer).starts_with("b GET / "));
}

#[tokio::test]
async fn a_name_is_resolved_once_a_hop_and_rebinding_to_the_inside_is_refused() {
    let a = echo("a").await;
    let names = FakeNames::new().with("a.example", &[A]).with("a.example", &["127.0.0.1"]);
    let (client, names) = client(names);
    let client = client.detour(at(A, 80), a.address());
    assert!(client.fetch(Call::get("http://a.example/")).await.is_ok());
    assert_eq!(names.asked("a.example"), 1);
    // The connection that is kept does not help either: the next call is judged anew.
    let error = client.fetch(Call::get("http://a.example/")).await.unwrap_err();
    assert!(matches!(error.refused(), Some(Refused::Answer { .. })), "{error}");
}

#[tokio::test]
async fn one_bad_answer_refuses_all() {
    for (answers, words) in [
        (&[A, "127.0.0.1"][..], "127.0.0.1, which is a loopback address"),
        (&["10.0.0.1", A], "10.0.0.1, which is a private address"),
        (&[A, B, "169.254.169.254", "10.0.0.1"], "169.254.169.254, which is the address of a cloud metadata service"),
        (&[A, "::ffff:127.0.0.1"], "127.0.0.1, which is a loopback address"),
        (&["64:ff9b::a00:1"], "private address"),
        (&["fe80::1", A], "link-local"),
        (&["0.0.0.0"], "unspecified"),
        (&[], "has no address"),
    ] {
        let (client, _) = client(FakeNames::new().with("a.example", answers));
        let refused = client.guard().check("http://a.example/").await.unwrap_err();
        assert!(refused.to_string().contains(words), "{answers:?}: {refused}");
    }
    let (client, _) = client(FakeNames::new());
    let error = client.fetch(Call::get("http://a.example/")).await.unwrap_err();
    assert!(error.to_string().contains("does not resolve: no such name"), "{error}");
    // A client is told nothing of that.
    let error = buntime_core::Error::from(error);
    assert!(format!("{error}").contains("not allowed") && !format!("{error}").contains("a.example"), "{error}");
}

#[tokio::test]
async fn what_settings_allow_is_allowed_for_answers_too() {
    let resolver = |addresses: &[&str]| Arc::new(FakeNames::new().with("a.example", addresses));
    let settings = |text: &str| serde_json::from_str::<OutboundSettings>(text).unwrap();
    for (settings, answers, code) in [
        (settings(r#"{ "allowCidrs": ["10.20.0.0/16"] }"#), &["10.20.1.1", A][..], "ok"),
        (settings(r#"{ "allowCidrs": ["10.20.0.0/16"] }"#), &["10.20.1.1", "10.21.1.1"], "address"),
        (settings(r#"{ "allowHosts": ["a.example"] }"#), &["10.1.1.1", "100.64.0.1", "fd00::1"], "ok"),
        (settings(r#"{ "allowSuffixes": ["example"] }"#), &["10.1.1.1", "127.0.0.1"], "address"),
        (settings(r#"{ "allowCidrs": ["0.0.0.0/0", "::/0"] }"#), &["169.254.169.254"], "address"),
        (settings(r#"{ "allowCidrs": ["10.20.0.0/16"], "onlyListed": true }"#), &["10.20.1.1"], "ok"),
        (settings(r#"{ "allowCidrs": ["10.20.0.0/16"], "onlyListed": true }"#), &["10.20.1.1", A], "not_listed"),
    ] {
        let guard = Guard::with_resolver(settings.clone(), resolver(answers));
        let checked = guard.check("http://a.example/").await;
        assert_eq!(checked.map_or_else(|refused| refused.code(), |_| "ok"), code, "{settings:?} {answers:?}");
    }
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_passed_over() {
    let a = echo("a").await;
    // Bound and closed again: nobody listens there.
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let (client, _) = client(FakeNames::new().with("a.example", &[B, A, A]));
    let client = client.detour(at(B, 80), closed).detour(at(A, 80), a.address());
    let answer = client.fetch(Call::post("http://a.example/", "body")).await.unwrap();
    assert!(text(&answer).starts_with("a POST ") && text(&answer).ends_with("[body]"));
    let client = client.detour(at(A, 80), closed);
    let (other, _) = super::client(FakeNames::new().with("c.example", &[B]));
    let error = other.detour(at(B, 80), closed).fetch(Call::get("http://c.example/")).await.unwrap_err();
    assert!(matches!(error, CallError::Exchange(UpstreamError::Connect(_))), "{error}");
    drop(client);
}

#[tokio::test]
async fn loopback_is_refused_though_somebody_listens() {
    let inside = echo("inside").await;
    let (client, _) = client(FakeNames::new());
    for url in
        [inside.url(), inside.url().replace("127.0.0.1", "localhost"), inside.url().replace("127.0.0.1", "0x7f.1")]
    {
        let error = client.fetch(Call::get(url)).await.unwrap_err();
        assert!(error.refused().is_some(), "{error}");
    }
}

#[tokio::test]
async fn methods_that_open_tunnels_are_not_sent() {
    let (client, _) = client(FakeNames::new().with("a.example", &[A]));
    for method in [Method::CONNECT, Method::TRACE] {
        let error = client.send(Call::new(method, "http://a.example/")).await.unwrap_err();
        assert!(matches!(error, CallError::Method(_)), "{error}");
    }
}
