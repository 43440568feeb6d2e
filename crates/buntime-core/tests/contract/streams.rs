//! Section 4.4: streams are not buffered, pieces pass the chunk hooks in reverse, a broken one is never whole.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use buntime_core::{Changes, ErrorKind, Http, Stage, Step, handler_fn};
use buntime_testing::{Act, FakePlugin, Journal, eventually};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Response, header};

use crate::{get, host, meta, read};

fn streaming(pieces: Vec<Result<&'static str, &'static str>>) -> Arc<dyn buntime_core::Handler<Http>> {
    Arc::new(handler_fn::<Http, _>(move |_| {
        let pieces = pieces.clone().into_iter().map(|p| p.map(Bytes::from).map_err(std::io::Error::other));
        Step::ready(Response::new(Body::from_stream(stream::iter(pieces))).into())
    }))
}

fn chunker(
    name: &str,
    journal: &Journal,
    change: impl Fn(&mut Option<Bytes>, bool) + Send + Sync + 'static,
) -> FakePlugin {
    FakePlugin::new(name, journal)
        .only(&[])
        .on(Stage::Chunk, Act::Chunk(Arc::new(change)))
        .changing(Changes::RESPONSE_BODY)
}

#[tokio::test]
async fn pieces_pass_in_reverse_and_the_end_is_told() {
    let journal = Journal::default();
    let host = host([chunker("a", &journal, |_, _| {}).at(1), chunker("b", &journal, |_, _| {}).at(2)]);
    let host = host.start().await.unwrap();
    journal.take();
    let response = host.live().chain().respond(meta(), get("/"), streaming(vec![Ok("x"), Ok("y")])).await;
    assert_eq!(read(response).await.1, "xy");
    assert_eq!(journal.line(), "b.chunk(x) a.chunk(x) b.chunk(y) a.chunk(y) b.chunk($) a.chunk($)");
}

#[tokio::test]
async fn pieces_are_replaced_dropped_and_held_back() {
    let journal = Journal::default();
    let held = std::sync::Mutex::new(Vec::new());
    let hold = chunker("hold", &journal, move |piece, end| {
        let mut held = held.lock().unwrap();
        held.extend(piece.take());
        if end {
            *piece = Some(held.drain(..).flatten().collect());
        }
    });
    let upper = chunker("upper", &journal, |piece, _| {
        *piece = piece.take().map(|p| p.to_ascii_uppercase().into()).filter(|p: &Bytes| p != "DROP");
    });
    let host = host([hold.at(1), upper.at(2)]).start().await.unwrap();
    let answer = streaming(vec![Ok("one "), Ok("drop"), Ok("two")]);
    let response = host.live().chain().respond(meta(), get("/"), answer).await;
    assert_eq!(read(response).await.1, "ONE TWO");
}

#[tokio::test]
async fn a_declared_change_takes_the_length_off_and_nothing_else_does() {
    let journal = Journal::default();
    let sized = Arc::new(handler_fn::<Http, _>(|_| {
        let mut response = Response::new(Body::from("four"));
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(4));
        Step::ready(response.into())
    }));
    let changing = host([chunker("a", &journal, |_, _| {})]).start().await.unwrap();
    let response = changing.live().chain().respond(meta(), get("/"), sized.clone()).await;
    assert!(!response.headers().contains_key(header::CONTENT_LENGTH) && response.body().size_hint().exact().is_none());
    let looking = host([FakePlugin::new("b", &journal).on(Stage::Chunk, Act::Continue)]).start().await.unwrap();
    let response = looking.live().chain().respond(meta(), get("/"), sized).await;
    assert!(response.headers().contains_key(header::CONTENT_LENGTH) && response.body().size_hint().exact() == Some(4));
}

#[tokio::test]
async fn a_stream_that_breaks_is_never_passed_off_as_whole() {
    let journal = Journal::default();
    let host = host([FakePlugin::new("a", &journal)]).start().await.unwrap();
    let answer = streaming(vec![Ok("half"), Err("upstream died")]);
    let response = host.live().chain().respond(meta(), get("/"), answer).await;
    assert_eq!(response.status(), 200);
    let frames: Vec<_> = response.into_body().into_data_stream().collect().await;
    assert!(frames.len() == 2 && frames[0].is_ok() && frames[1].is_err(), "{frames:?}");
    assert!(journal.line().ends_with("a.complete(broken)"), "{}", journal.line());
}

#[tokio::test]
async fn a_chunk_hook_ends_the_stream_with_an_error() {
    let journal = Journal::default();
    let plugin = FakePlugin::new("a", &journal).on(Stage::Chunk, Act::Refuse(ErrorKind::Forbidden));
    let host = host([plugin]).start().await.unwrap();
    let response = host.live().chain().respond(meta(), get("/"), streaming(vec![Ok("secret")])).await;
    let frames: Vec<_> = response.into_body().into_data_stream().collect().await;
    assert!(frames.len() == 1 && frames[0].is_err(), "{frames:?}");
    assert!(journal.line().ends_with("a.complete(broken)"), "{}", journal.line());
}

#[tokio::test]
async fn a_failing_chunk_hook_that_goes_on_leaves_the_piece_as_it_was() {
    let journal = Journal::default();
    struct Spoils;
    impl buntime_core::Hooks<Http> for Spoils {
        fn stages(&self) -> buntime_core::Stages {
            buntime_core::Stages::CHUNK
        }
        fn chunk<'a>(
            &'a self,
            _: &'a mut buntime_core::Cx<Http>,
            chunk: &'a mut Option<Bytes>,
            _: bool,
        ) -> Step<'a, buntime_core::Flow<Http>> {
            *chunk = None;
            Step::failed("after it spoilt the piece")
        }
    }
    let plugin =
        FakePlugin::new("a", &journal).offering(|startup| startup.hooks(buntime_core::HookSet::new("spoils", Spoils)));
    let host = host([plugin]).start().await.unwrap();
    let response = host.live().chain().respond(meta(), get("/"), streaming(vec![Ok("whole")])).await;
    assert_eq!(read(response).await.1, "whole");
}

#[tokio::test]
async fn nothing_is_buffered_because_hooks_exist() {
    let journal = Journal::default();
    let host = host([FakePlugin::new("a", &journal).on(Stage::Chunk, Act::Later)]).start().await.unwrap();
    let (send, receive) = tokio::sync::mpsc::unbounded_channel::<Result<Bytes, std::io::Error>>();
    let receive = std::sync::Mutex::new(Some(receive));
    let live = Arc::new(handler_fn::<Http, _>(move |_| {
        let mut receive = receive.lock().unwrap().take().unwrap();
        let stream = stream::poll_fn(move |task| receive.poll_recv(task));
        Step::ready(Response::new(Body::from_stream(stream)).into())
    }));
    let response = host.live().chain().respond(meta(), get("/"), live).await;
    let mut stream = response.into_body().into_data_stream();
    for piece in ["first", "second"] {
        send.send(Ok(Bytes::from_static(piece.as_bytes()))).unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), piece);
    }
    drop(stream);
    eventually("complete says the client is gone", || async { journal.line().contains("a.complete(client_gone)") })
        .await;
}

#[tokio::test]
async fn bytes_and_durations_are_told_at_the_end() {
    struct Tells(Journal);
    impl buntime_core::Hooks<Http> for Tells {
        fn stages(&self) -> buntime_core::Stages {
            buntime_core::Stages::COMPLETE
        }
        fn complete(&self, _: &mut buntime_core::Cx<Http>, end: &buntime_core::Completion) -> Step<'static, ()> {
            assert!(end.total >= end.to_head);
            self.0.note(format!("{} {} {:?}", end.status, end.response_bytes, end.error));
            Step::ready(())
        }
    }
    let journal = Journal::default();
    let told = journal.clone();
    let plugin = FakePlugin::new("a", &journal)
        .only(&[])
        .offering(move |startup| startup.hooks(buntime_core::HookSet::new("tells", Tells(told.clone()))));
    let host = host([plugin]).start().await.unwrap();
    let response = host.live().chain().respond(meta(), get("/"), streaming(vec![Ok("12345"), Ok("678")])).await;
    read(response).await;
    assert!(journal.line().ends_with("200 8 None"), "{}", journal.line());
}
