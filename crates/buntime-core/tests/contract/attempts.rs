//! Section 5: several attempts. Run on a kind of its own, which names only its types: the executor serves any kind.

use std::sync::{Arc, Mutex};

use buntime_core::{
    Answer, AttemptReport, Attempts, Capability, Carrier, Cx, Error, ErrorKind, Handler, Head, HookSet, Hooks, Host,
    Kind, Pre, Stages, Step, Target, handler_fn, options::FixedResponse,
};
use buntime_testing::{FakePlugin, Journal};
use serde_json::json;

use crate::meta;

/// A second kind: a question and its answer.
enum Ask {}

#[derive(Clone, Debug, PartialEq)]
struct Text(String);

impl Head for Text {
    fn merge(&mut self, _: &Self, changed: Self) {
        *self = changed;
    }
}

impl Carrier for Text {
    type Head = Self;

    fn head(&self) -> &Self {
        self
    }

    fn head_mut(&mut self) -> &mut Self {
        self
    }

    fn fork(&mut self, _: bool) -> Self {
        self.clone()
    }

    fn take_body_from(&mut self, _: Self) {}

    fn copy(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl Kind for Ask {
    const NAME: &'static str = "ask";
    type Request = Text;
    type Response = Text;
    type Chunk = String;
    type Message = String;
    type Error = Error;

    fn fixed(response: &FixedResponse) -> Text {
        Text(response.body.clone())
    }

    fn status(_: &Text) -> u16 {
        200
    }

    fn falls_back(error: &Error) -> bool {
        error.status().is_server_error()
    }
}

/// Notes what each attempt's hooks see, and changes the question.
struct Notes {
    journal: Journal,
    routes_to: Option<&'static str>,
}

impl Hooks<Ask> for Notes {
    fn stages(&self) -> Stages {
        Stages::PRE | Stages::POST | Stages::ERROR | Stages::ROUTE | Stages::COMPLETE
    }

    fn route<'a>(&'a self, cx: &'a mut Cx<Ask>, attempts: &'a mut Attempts<Ask>) -> Step<'a, ()> {
        self.journal.note("route");
        cx.request_mut().0.push('?');
        if let Some(only) = self.routes_to {
            attempts.targets.retain(|target| &*target.name == only);
        }
        Step::ready(())
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Ask>) -> Step<'a, Pre<Ask>> {
        self.journal.note(format!("pre({})", cx.request().0));
        cx.request_mut().0.push('!');
        Step::ready(Pre::Continue)
    }

    fn error<'a>(&'a self, _: &'a mut Cx<Ask>, error: &'a Error) -> Step<'a, buntime_core::OnFailure<Ask>> {
        self.journal.note(format!("error({})", error.code()));
        Step::ready(buntime_core::OnFailure::PassOn)
    }

    fn post<'a>(&'a self, _: &'a mut Cx<Ask>) -> Step<'a, buntime_core::Post<Ask>> {
        self.journal.note("post");
        Step::ready(buntime_core::Post::Continue)
    }
}

async fn host(journal: &Journal, routes_to: Option<&'static str>) -> Host {
    let notes = journal.clone();
    let plugin = FakePlugin::new("notes", journal)
        .with(|m| m.with_capabilities([Capability::Middleware]))
        .offering(move |startup| startup.hooks(HookSet::new("ask", Notes { journal: notes.clone(), routes_to })));
    let host = Host::builder().plugin(plugin, json!({})).start().await.unwrap();
    journal.take();
    host
}

fn target(name: &str, answer: Result<&'static str, fn() -> Error>) -> Target<Ask> {
    let handler: Arc<dyn Handler<Ask>> = Arc::new(handler_fn::<Ask, _>(move |cx| {
        let asked = cx.request().0.clone();
        Step::Done(answer.map(|text| Text(format!("{text} to {asked}"))).map_err(|make| make()))
    }));
    Target { name: name.into(), handler }
}

async fn attempt(host: &Host, targets: Vec<Target<Ask>>) -> Result<Text, Error> {
    let chain = host.live().chain_of::<Ask>().unwrap();
    let Answer { result, tail } = chain.run_attempts(meta(), Text("who".to_owned()), Attempts { targets }).await;
    tail.finish(buntime_core::Ended::Whole);
    result
}

#[tokio::test]
async fn a_second_kind_needs_only_its_types() {
    let journal = Journal::default();
    let host = host(&journal, None).await;
    let chain = host.live().chain_of::<Ask>().unwrap();
    let handler = target("one", Ok("me")).handler;
    let answer = chain.run(meta(), Text("who".to_owned()), handler).await;
    assert_eq!(answer.result.unwrap(), Text("me to who!".to_owned()));
    assert_eq!(journal.line(), "pre(who) post");
}

#[tokio::test]
async fn route_hooks_run_once_and_each_attempt_has_a_fresh_copy() {
    let journal = Journal::default();
    let host = host(&journal, None).await;
    let targets = vec![
        target("a", Err(|| ErrorKind::UpstreamTimeout.into())),
        target("b", Err(|| ErrorKind::UpstreamUnreachable.into())),
        target("c", Ok("c")),
    ];
    assert_eq!(attempt(&host, targets).await.unwrap(), Text("c to who?!".to_owned()));
    assert_eq!(
        journal.line(),
        "route pre(who?) error(upstream_timeout) pre(who?) error(upstream_unreachable) pre(who?) post"
    );
}

#[tokio::test]
async fn route_hooks_change_the_targets() {
    let journal = Journal::default();
    let host = host(&journal, Some("b")).await;
    let targets = vec![target("a", Ok("a")), target("b", Ok("b"))];
    assert_eq!(attempt(&host, targets).await.unwrap(), Text("b to who?!".to_owned()));
}

#[tokio::test]
async fn an_error_says_whether_fallbacks_are_allowed_else_its_kind_does() {
    let journal = Journal::default();
    let host = host(&journal, None).await;
    let forbids: fn() -> Error = || Error::new(ErrorKind::UpstreamTimeout).with_allow_fallbacks(false);
    let allows: fn() -> Error = || Error::new(ErrorKind::Malformed).with_allow_fallbacks(true);
    let callers: fn() -> Error = || ErrorKind::Malformed.into();
    let gone: fn() -> Error = || Error::new(ErrorKind::ClientClosed).with_allow_fallbacks(true);
    for (first, falls_back) in [(forbids, false), (allows, true), (callers, false), (gone, false)] {
        let result = attempt(&host, vec![target("a", Err(first)), target("b", Ok("b"))]).await;
        assert_eq!(result.is_ok(), falls_back, "{:?}", first());
    }
}

#[tokio::test]
async fn when_all_fail_the_primarys_error_lists_every_attempt() {
    let journal = Journal::default();
    let host = host(&journal, None).await;
    let targets = vec![
        target("a", Err(|| ErrorKind::UpstreamTimeout.into())),
        target("b", Err(|| ErrorKind::UpstreamUnreachable.into())),
    ];
    let error = attempt(&host, targets).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UpstreamTimeout);
    let report = |target: &str, kind: ErrorKind| AttemptReport {
        target: target.into(),
        code: kind.code(),
        detail: kind.title().to_owned(),
    };
    assert_eq!(
        error.attempts(),
        [report("a", ErrorKind::UpstreamTimeout), report("b", ErrorKind::UpstreamUnreachable)]
    );
}

#[tokio::test]
async fn a_body_that_can_be_read_once_allows_one_attempt() {
    let chain = crate::host([]).start().await.unwrap().live().chain().clone();
    let tried = Arc::new(Mutex::new(0));
    let targets = ["a", "b"].map(|name| {
        let tried = tried.clone();
        let handler = handler_fn::<buntime_core::Http, _>(move |_| {
            *tried.lock().unwrap() += 1;
            Step::Done(Err(ErrorKind::UpstreamTimeout.into()))
        });
        Target { name: name.into(), handler: Arc::new(handler) as Arc<dyn Handler<buntime_core::Http>> }
    });
    let mut request = crate::get("/");
    let stream = futures_util::stream::iter([Ok::<_, std::io::Error>("once")]);
    *request.body_mut() = axum::body::Body::from_stream(stream);
    let answer = chain.run_attempts(meta(), request.into(), Attempts { targets: targets.into() }).await;
    assert!(answer.result.is_err() && *tried.lock().unwrap() == 1);
}
