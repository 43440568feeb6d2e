//! Requests that could be read in two ways are refused, answered in the error shape, and end their connection.

use buntime_http::server::Limits;

use crate::support::{TestServer, echo};

async fn check(server: &TestServer, request: &str, status: u16) {
    // What follows must never be taken for a request.
    let answer = server.talk(format!("{request}GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n")).await;
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?} was answered {answer:?}");
    assert!(answer.contains("content-type: application/problem+json"), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:?} was answered {answer:?}");
    assert!(!answer.contains("smuggled"), "{answer}");
}

#[tokio::test]
async fn doubtful_heads() {
    let server = TestServer::start(Limits::default(), echo);
    for fields in [
        "X: no host\r\n",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host: a\r\nContent-Length: +1\r\n",
        "Host: a\r\nContent-Length: 1, 1\r\n",
        "Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
        "Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
        "Host: a\r\nContent-Length: 0x1\r\n",
        "Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Host: a\r\nTransfer-Encoding: chunked, identity\r\n",
        "Host: a\r\nTransfer-Encoding: xchunked\r\n",
        "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Host: a\r\nTransfer-Encoding: chunked, chunked\r\n",
        "Host: a\r\nTransfer-Encoding : chunked\r\n",
        "Host: a\r\nX: a\r\n b\r\n",
        "Host: a\r\nX: a\rb\r\n",
        "Host: a\nX: b\r\n",
        "Host: a\r\nX: a\0\r\n",
        "Host: a\r\nX : b\r\n",
        "Host: a\r\nnonsense\r\n",
        "Host: a/b\r\n",
        "Host: a@b\r\n",
    ] {
        check(&server, &format!("POST / HTTP/1.1\r\n{fields}\r\n"), 400).await;
    }
    check(&server, "GET / HTTP/1.1\nHost: a\n\n", 400).await;
    check(&server, "GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 400).await;
    check(&server, "GET /\r\n\r\n", 400).await;
    check(&server, "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505).await;
    check(&server, "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405).await;
    check(&server, "\u{16}\u{3}\u{1}\u{2}\r\n\r\n", 400).await;
    assert!(server.control.stats().malformed() >= 28);
    assert!(
        server.talk("GET /after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.contains("GET /after a []")
    );
}

#[tokio::test]
async fn doubtful_chunks() {
    let server = TestServer::start(Limits::default(), echo);
    for body in [
        "x\r\n",
        "-1\r\n",
        "1\nA\r\n0\r\n\r\n",
        "1\r\nAB\r\n0\r\n\r\n",
        "1 \r\nA\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n",
        "0\r\nbad trailer\r\n\r\n",
    ] {
        check(&server, &format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}"), 400).await;
    }
    let flood = "1;extension-extension\r\nA\r\n".repeat(1000);
    check(&server, &format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{flood}0\r\n\r\n"), 400)
        .await;
}

#[tokio::test]
async fn targets_and_hosts_agree() {
    let server = TestServer::start(Limits::default(), echo);
    check(&server, "GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", 400).await;
    check(&server, "GET http://u@a/x HTTP/1.1\r\nHost: a\r\n\r\n", 400).await;
    let answer = server.talk("GET http://A:80/x?y HTTP/1.1\r\nHost: a:80\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("GET /x?y a:80 []"), "{answer}");
}

#[tokio::test]
async fn pipelined_requests_stay_in_order_and_in_step() {
    let server = TestServer::start(Limits::default(), echo);
    let answer = server
        .talk(
            "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
             POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nGET\r\n2\r\n /\r\n0\r\nT: v\r\n\r\n\
             GET /4 HTTP/1.1\r\nHost: a\r\n\r\nGET /bad HTTP/1.1\r\nHost: a\nX: y\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .await;
    let found: Vec<_> = ["GET /1 a []", "POST /2 a [abc]", "POST /3 a [GET /]", "GET /4 a []", "400 Bad Request"]
        .iter()
        .map(|text| answer.find(text).unwrap_or_else(|| panic!("no {text} in {answer}")))
        .collect();
    assert!(found.is_sorted(), "{answer}");
    assert!(!answer.contains("smuggled") && !answer.contains("/bad"), "{answer}");
}

#[tokio::test]
async fn a_request_in_single_bytes_is_the_same_request() {
    let server = TestServer::start(Limits::default(), echo);
    let mut raw = server.connect().await;
    raw.0.set_nodelay(true).unwrap();
    for byte in
        b"POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    {
        raw.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert!(raw.rest().await.contains("POST /slow a [ab]"));
}

#[tokio::test]
async fn a_refused_head_in_pieces_behind_a_running_exchange_waits_its_turn() {
    let server = TestServer::start(Limits::default(), echo);
    let mut raw = server.connect().await;
    raw.send("POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na").await;
    raw.send("bGET / HT").await;
    assert!(raw.until("[ab]").await.contains("POST /first"));
    raw.send("TP/1.1\r\nHost: a\r\nHost: a\r\n\r\n").await;
    assert!(raw.rest().await.starts_with("HTTP/1.1 400 "));
}
