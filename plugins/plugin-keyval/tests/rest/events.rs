//! A reader of server-sent events.

use std::{collections::VecDeque, time::Duration};

use reqwest::Response;
use serde_json::Value;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
    pub(crate) id: Option<String>,
}

impl Event {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(crate) struct Events {
    response: Response,
    text: String,
    ready: VecDeque<Event>,
}

impl Events {
    pub(crate) fn new(response: Response) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new(), ready: VecDeque::new() }
    }

    /// The next event, whatever it is; `None` at the end.
    pub(crate) async fn any(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let piece = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await;
            let piece = piece.expect("an event in time").expect("a stream that goes on")?;
            self.text.push_str(std::str::from_utf8(&piece).expect("UTF-8"));
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                self.ready.push_back(parse(event));
                self.text = rest.to_owned();
            }
        }
    }

    /// The next event of that name.
    pub(crate) async fn next(&mut self, name: &str) -> Event {
        loop {
            let event = self.any().await.unwrap_or_else(|| panic!("no `{name}` before the end"));
            if event.name == name {
                return event;
            }
        }
    }
}

fn parse(text: &str) -> Event {
    let mut event = Event::default();
    for line in text.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => event.name = value.to_owned(),
            "data" => event.data.push_str(value),
            "id" => event.id = Some(value.to_owned()),
            _ => {}
        }
    }
    event
}
