//! The debugging protocol: commands and their answers by number, events by the session they belong to.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::oneshot};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::soon;

/// Events that are remembered until somebody asks.
const MOST: usize = 1_000;

#[derive(Debug)]
pub(super) struct Connection {
    next: AtomicU64,
    sink: tokio::sync::Mutex<SplitSink<WebSocketStream<TcpStream>, Message>>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: HashMap<u64, oneshot::Sender<Value>>,
    /// What went wrong on pages: the session, and what.
    errors: Vec<(String, String)>,
}

impl Connection {
    pub(super) async fn open(url: &str) -> Arc<Self> {
        let address = url.trim_start_matches("ws://").split('/').next().expect("an address").to_owned();
        let stream = TcpStream::connect(&address).await.expect("chromium listens");
        // Screenshots are large.
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let opened = tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await;
        let (sink, mut stream) = opened.expect("chromium talks").0.split();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let kept = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                let Ok(text) = message.into_text() else { continue };
                let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
                take(&mut lock(&kept), value);
            }
        });
        Arc::new(Self { next: AtomicU64::new(1), sink: tokio::sync::Mutex::new(sink), shared })
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Panics
    /// If it is refused.
    pub(super) async fn ask(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.try_ask(session, method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    pub(super) async fn try_ask(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        lock(&self.shared).waiting.insert(id, sender);
        let mut command = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            command["sessionId"] = json!(session);
        }
        self.sink.lock().await.send(Message::text(command.to_string())).await.expect("chromium listens");
        let mut answer = soon(method, receiver).await.expect("chromium runs");
        if answer["error"].is_null() { Ok(answer["result"].take()) } else { Err(answer["error"].take()) }
    }

    /// What went wrong in a session since it was asked last.
    pub(super) fn errors(&self, session: &str) -> Vec<String> {
        let mut shared = lock(&self.shared);
        let (mine, others) = std::mem::take(&mut shared.errors).into_iter().partition(|(of, _)| of == session);
        shared.errors = others;
        let mine: Vec<(String, String)> = mine;
        mine.into_iter().map(|(_, what)| what).collect()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(shared: &mut Shared, message: Value) {
    if let Some(id) = message["id"].as_u64() {
        if let Some(waiting) = shared.waiting.remove(&id) {
            let _ = waiting.send(message);
        }
        return;
    }
    let params = &message["params"];
    let what = match message["method"].as_str().unwrap_or_default() {
        "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
        "Runtime.consoleAPICalled" if params["type"] == "error" || params["type"] == "warning" => {
            Some(params["args"].to_string())
        }
        "Log.entryAdded" if params["entry"]["level"] == "error" => {
            let entry = &params["entry"];
            Some(format!(
                "{} {}",
                entry["text"].as_str().unwrap_or_default(),
                entry["url"].as_str().unwrap_or_default()
            ))
        }
        // The policy, broken: `securityDetails` come as issues.
        "Audits.issueAdded" if params["issue"]["code"] == "ContentSecurityPolicyIssue" => {
            Some(params["issue"].to_string())
        }
        _ => None,
    };
    let session = message["sessionId"].as_str().unwrap_or_default();
    if let Some(what) = what
        && shared.errors.len() < MOST
    {
        shared.errors.push((session.to_owned(), what));
    }
}
