//! Redirects: each is judged, methods and headers change as RFC 9110 says, credentials stay where they belong.

use super::*;

#[tokio::test]
async fn a_redirect_to_the_inside_is_refused_and_never_connected_to() {
    let inside = echo("inside").await;
    let port = inside.address().port();
    for to in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("//127.0.0.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http:\\\\127.0.0.1:{port}/"),
        format!("http://user@a.example:{port}/"),
        format!("http://inside.example:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://metadata.google.internal/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "gopher://a.example/".to_owned(),
        "http://nowhere.example/".to_owned(),
    ] {
        let a = redirecting(302, to.clone()).await;
        let (client, _) = client(FakeNames::new().with("a.example", &[A]).with("inside.example", &["127.0.0.1"]));
        let client = client.detour(at(A, 80), a.address());
        let error = client.fetch(Call::get("http://a.example/")).await.unwrap_err();
        assert!(matches!(error, CallError::Redirect(_)), "{to}: {error}");
    }
}

#[tokio::test]
async fn credentials_stay_at_their_origin() {
    let b = echo("b").await;
    for status in [301, 302, 303, 307, 308] {
        let a = redirecting(status, "http://b.example/there").await;
        let answer = pair(&a, &b).fetch(secrets(Call::post("http://a.example/", "body"))).await.unwrap();
        let text = text(&answer);
        assert!(!text.contains("secret"), "{status}: {text}");
        assert!(text.contains("accept=text/plain") && text.contains("host=b.example"), "{status}: {text}");
        let kept = matches!(status, 307 | 308);
        assert!(text.starts_with(if kept { "b POST /there " } else { "b GET /there " }), "{status}: {text}");
        assert_eq!(text.ends_with("[body]"), kept, "{status}: {text}");
        assert_eq!(text.contains("content-type=text/x"), kept, "{status}: {text}");
        assert_eq!(answer.extensions().get::<Landed>().unwrap().0.as_str(), "http://b.example/there");
    }
    // Another port is another origin; and what was dropped does not come back.
    let back = redirecting(307, "http://b.example/home").await;
    let a = redirecting(307, "http://a.example:8080/").await;
    let client = pair(&a, &b).detour(at(A, 8080), back.address());
    let answer = client.fetch(secrets(Call::get("http://a.example/"))).await.unwrap();
    assert!(!text(&answer).contains("secret"), "{}", text(&answer));
}

#[tokio::test]
async fn credentials_follow_within_their_origin() {
    let router = Router::new()
        .route("/from/here", axum::routing::any(|| async { (StatusCode::FOUND, [(header::LOCATION, "../to?x")]) }))
        .fallback(|headers: HeaderMap| async move { format!("{:?}", headers.get("authorization")) });
    let a = FakeUpstream::start(router).await;
    let answer = pair(&a, &a).fetch(secrets(Call::get("http://a.example/from/here"))).await.unwrap();
    assert!(text(&answer).contains("secret"));
    assert_eq!(answer.extensions().get::<Landed>().unwrap().0.as_str(), "http://a.example/to?x");
}

#[tokio::test]
async fn redirects_end_somewhere() {
    let (a, b) = (redirecting(302, "http://a.example/again").await, echo("b").await);
    let client = pair(&a, &b);
    let limits = |redirects| Limits { redirects, ..Limits::default() };
    for (asked, most) in [(200, 5), (5, 5), (1, 1)] {
        let error = client.fetch(Call::get("http://a.example/").limits(limits(asked))).await.unwrap_err();
        assert!(matches!(error, CallError::TooManyRedirects(found) if found == most), "{error}");
    }
    let answer = client.fetch(Call::get("http://a.example/").limits(limits(0))).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND);
}

#[tokio::test]
async fn five_redirects_are_followed() {
    let router = Router::new().fallback(|request: Request| async move {
        let left: u32 = request.uri().path().trim_start_matches('/').parse().unwrap_or_default();
        match left {
            0 => StatusCode::OK.into_response(),
            left => (StatusCode::FOUND, [(header::LOCATION, format!("/{}", left - 1))]).into_response(),
        }
    });
    let a = FakeUpstream::start(router).await;
    let client = pair(&a, &a);
    assert_eq!(client.fetch(Call::get("http://a.example/5")).await.unwrap().status(), StatusCode::OK);
    let error = client.fetch(Call::get("http://a.example/6")).await.unwrap_err();
    assert!(matches!(error, CallError::TooManyRedirects(5)), "{error}");
}

#[tokio::test]
async fn what_the_operator_wrote_is_trusted_as_written() {
    let inside = echo("inside").await;
    let origin = TrustedOrigin::new(&inside.url()).unwrap();
    let (client, _) = client(FakeNames::new());
    let call = || secrets(Call::post(format!("{}/x", inside.url()), "body"));
    let answer = whole(client.send_trusted(&origin, call()).await.unwrap()).await.unwrap();
    assert!(text(&answer).starts_with("inside POST /x ") && text(&answer).contains("authorization=secret"));
    // As written: another port, or another name for the same machine, is not it.
    for url in ["http://127.0.0.1:1/".to_owned(), inside.url().replace("127.0.0.1", "127.0.0.2")] {
        let error = client.send_trusted(&origin, Call::get(url)).await.unwrap_err();
        assert!(matches!(error, CallError::Refused(_)), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_from_a_trusted_origin_is_judged() {
    let (inside, b) = (echo("inside").await, echo("b").await);
    let to_inside = redirecting(307, inside.url()).await;
    let (client, _) = client(FakeNames::new().with("b.example", &[B]));
    let client = client.detour(at(B, 80), b.address());
    let origin = TrustedOrigin::new(&to_inside.url()).unwrap();
    let error = client.send_trusted(&origin, Call::get(to_inside.url())).await.unwrap_err();
    assert!(matches!(error, CallError::Redirect(Refused::Address { .. })), "{error}");
    let to_b = redirecting(307, "http://b.example/").await;
    let origin = TrustedOrigin::new(&to_b.url()).unwrap();
    let answer = client.send_trusted(&origin, secrets(Call::get(to_b.url()))).await.unwrap();
    let answer = whole(answer).await.unwrap();
    assert!(text(&answer).starts_with("b GET / ") && !text(&answer).contains("secret"), "{}", text(&answer));
}

#[tokio::test]
async fn nobody_sends_a_call_back_to_a_trusted_origin() {
    let home = FakeUpstream::start(Router::new().fallback(|request: Request| async move {
        match request.uri().path() {
            "/" => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/same")]).into_response(),
            "/same" => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "http://b.example/")]).into_response(),
            _ => "reached".into_response(),
        }
    }))
    .await;
    let b = redirecting(307, format!("{}/admin", home.url())).await;
    let (client, names) = client(FakeNames::new().with("b.example", &[B]));
    let client = client.detour(at(B, 80), b.address());
    let origin = TrustedOrigin::new(&home.url()).unwrap();
    let error = client.send_trusted(&origin, Call::get(home.url())).await.unwrap_err();
    assert!(matches!(error, CallError::Redirect(Refused::Address { .. })), "{error}");
    assert_eq!(names.asked("b.example"), 1);
}
