//! The live stream: what it sends, how it resumes, when it ends.

mod common;

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    http::Request,
};
use common::Fixture;
use futures_util::StreamExt;
use serde_json::{Value, json};

/// An open stream.
struct Events {
    body: BodyDataStream,
    text: String,
}

#[derive(Debug, Default, PartialEq)]
struct Got {
    event: String,
    id: u64,
    data: Value,
}

impl Events {
    async fn open(fixture: &Fixture, query: &str, last: Option<u64>) -> Self {
        let mut request = Request::get(format!("/p/logs/api/sse?{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = fixture.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Got> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if !event.starts_with(':') {
                    return Some(read(&event));
                }
            }
            let piece = tokio::time::timeout(Duration::from_secs(10), self.body.next()).await.expect("no event came");
            self.text.push_str(std::str::from_utf8(&piece?.unwrap()).unwrap());
        }
    }

    async fn message(&mut self) -> String {
        self.next().await.unwrap().data["message"].as_str().unwrap().to_owned()
    }
}

fn read(text: &str) -> Got {
    let mut got = Got::default();
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("event", event)) => got.event = event.to_owned(),
            Some(("id", id)) => got.id = id.parse().unwrap(),
            Some(("data", data)) => got.data = serde_json::from_str(data).unwrap(),
            _ => panic!("{line}"),
        }
    }
    got
}

#[tokio::test]
async fn new_entries_come_as_they_happen() {
    let fixture = Fixture::start(json!({})).await;
    fixture.add("info", "old").await;
    let mut events = Events::open(&fixture, "level=warn&search=thing", None).await;
    fixture.add("info", "a small thing").await;
    fixture.add("warn", "a big thing").await;
    let got = events.next().await.unwrap();
    assert_eq!((got.event.as_str(), got.data["message"].as_str()), ("", Some("a big thing")));
    assert_eq!(got.data["id"], got.id);
}

#[tokio::test]
async fn a_client_that_comes_back_misses_nothing() {
    let fixture = Fixture::start(json!({})).await;
    let mut events = Events::open(&fixture, "", None).await;
    fixture.add("info", "one").await;
    let seen = events.next().await.unwrap().id;
    drop(events);
    fixture.add("info", "two").await;
    fixture.add("info", "three").await;
    let mut events = Events::open(&fixture, "search=t", Some(seen)).await;
    assert_eq!(events.message().await, "two");
    assert_eq!(events.message().await, "three");
    fixture.add("info", "ten").await;
    assert_eq!(events.message().await, "ten");
}

#[tokio::test]
async fn what_was_lost_is_said() {
    let fixture = Fixture::start(json!({ "maxEntries": 2, "access": false })).await;
    let mut events = Events::open(&fixture, "", None).await;
    fixture.add("info", "one").await;
    let seen = events.next().await.unwrap().id;
    for message in ["two", "three", "four"] {
        fixture.add("info", message).await;
    }
    let mut back = Events::open(&fixture, "", Some(seen)).await;
    let gap = back.next().await.unwrap();
    assert_eq!((gap.event.as_str(), gap.data), ("gap", json!({ "after": seen, "next": seen + 2 })));
    assert_eq!(back.message().await, "three");
    let mut future = Events::open(&fixture, "", Some(seen + 1_000_000)).await;
    assert_eq!(future.next().await.unwrap().event, "gap");
    fixture.add("info", "five").await;
    assert_eq!(future.message().await, "five");
}

#[tokio::test]
async fn it_can_begin_with_what_there_is() {
    let fixture = Fixture::start(json!({ "access": false })).await;
    for message in ["one", "two", "three"] {
        fixture.add("info", message).await;
    }
    let mut events = Events::open(&fixture, "limit=2", None).await;
    assert_eq!((events.message().await, events.message().await), ("two".to_owned(), "three".to_owned()));
    let mut events = Events::open(&fixture, "since=1h", None).await;
    assert_eq!(events.message().await, "one");
}

#[tokio::test]
async fn there_are_only_so_many_and_they_end_with_the_plugin() {
    let fixture = Fixture::start(json!({ "maxStreams": 1 })).await;
    let mut events = Events::open(&fixture, "", None).await;
    let (status, body) = fixture.get("/p/logs/api/sse").await;
    assert_eq!(status, 503);
    assert!(body.contains("over_capacity"), "{body}");
    fixture.host.stop(Duration::from_secs(5)).await;
    assert_eq!(events.next().await, None);
    drop(events);
    assert_eq!(fixture.get("/p/logs/api/sse").await.0, 200, "its place is free again");
}

#[tokio::test]
async fn an_id_that_is_none_is_refused() {
    let fixture = Fixture::start(json!({})).await;
    let request = Request::get("/p/logs/api/sse").header("last-event-id", "abc").body(Body::empty()).unwrap();
    let (status, body) = common::text(fixture.send(request).await).await;
    assert_eq!(status, 400);
    assert!(body.contains("Last-Event-ID"), "{body}");
}
