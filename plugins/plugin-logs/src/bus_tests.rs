//! Many write while others read: nothing is lost, mixed up or seen twice.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use serde_json::Map;

use crate::{
    bus::LogBus,
    entry::{Entry, Level, What},
    line::tests::line,
    query::Filter,
    record::Record,
    redact::Redactor,
};

const THREADS: usize = 8;
const EACH: usize = 400;
const EVERYTHING: Filter = Filter {
    level: None,
    search: None,
    plugin: None,
    request_id: None,
    status: None,
    since: None,
    until: None,
    limit: Some(usize::MAX),
};

fn bus() -> LogBus {
    let bus = LogBus::new();
    bus.configure(1_000_000, 64 << 20, 1 << 10, Arc::default());
    bus
}

fn event(message: String) -> Record {
    Record {
        time: SystemTime::now(),
        level: Level::Warn,
        plugin: None,
        request_id: None,
        source: "test".into(),
        message,
        meta: Map::new(),
    }
}

fn offer_line(bus: &LogBus, path: &str) {
    bus.line(&line(bus.moment(Instant::now()), 200, path));
}

/// Lines and events in turns.
fn write(bus: &LogBus, thread: usize) {
    for number in 0..EACH {
        if number % 4 == 0 {
            bus.add(event(format!("/{thread}/{number}")));
        } else {
            offer_line(bus, &format!("/{thread}/{number}"));
        }
    }
}

/// Who wrote it, and as which.
fn written(entry: &Entry) -> (usize, usize) {
    let path = match &entry.what {
        What::Event { message, .. } => message,
        What::Access(access) => &access.path,
    };
    let (thread, number) = path[1..].split_once('/').unwrap();
    (thread.parse().unwrap(), number.parse().unwrap())
}

/// Ids without holes, and what each thread wrote in its order, from its first on.
fn check(newest_first: &[Arc<Entry>]) {
    let mut next = [0; THREADS];
    for entry in newest_first.iter().rev() {
        let (thread, number) = written(entry);
        assert_eq!(next[thread], number);
        next[thread] += 1;
    }
    assert!(newest_first.windows(2).all(|two| two[0].id == two[1].id + 1));
}

#[tokio::test]
async fn many_write_while_queries_read() {
    let bus = bus();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn({
                    let bus = &bus;
                    move || write(bus, thread)
                })
            })
            .collect();
        while !writers.iter().all(thread::ScopedJoinHandle::is_finished) {
            check(&bus.query(&EVERYTHING));
            bus.stats();
        }
    });
    bus.flush().await;
    let all = bus.query(&EVERYTHING);
    check(&all);
    let stats = bus.stats();
    assert_eq!((all.len(), stats.dropped), (THREADS * EACH, 0));
    assert_eq!((stats.counts.warn, stats.counts.info), ((THREADS * EACH / 4) as u64, (THREADS * EACH / 4 * 3) as u64));
    assert_eq!(bus.query(&Filter { search: Some("/3/7".into()), ..EVERYTHING }).len(), 11);
}

#[tokio::test]
async fn a_follower_sees_everything_once() {
    let bus = bus();
    let (first, all) = (bus.newest(), (THREADS * EACH) as u64);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let bus = &bus;
            scope.spawn(move || write(bus, thread));
        }
        let (mut last, end) = (first, Instant::now() + Duration::from_secs(30));
        while last < first + all && Instant::now() < end {
            let view = bus.after(last, 64);
            assert_eq!(view.gap(last), None);
            assert!((0..view.len()).all(|index| view.entry(index).unwrap().id == last + 1 + index as u64));
            last = view.last().unwrap_or(last);
        }
        assert_eq!(last, first + all);
    });
}

#[tokio::test]
async fn too_much_is_lost_and_counted() {
    let bus = bus();
    let first = bus.newest();
    let long = "x".repeat(2000);
    let mut offered = 0;
    // The collector needs longer for one than this thread.
    while bus.stats().dropped == 0 && offered < 1_000_000 {
        (0..1000).for_each(|_| _ = bus.add(event(format!("/0/0 token={long}"))));
        offered += 1000;
    }
    bus.flush().await;
    let dropped = bus.stats().dropped;
    assert_eq!(bus.newest() - first + dropped, offered);
    assert!(dropped > 0);
    assert!(bus.add(event("/0/0".into())), "there is room again");
}

#[tokio::test]
async fn settings_that_change_show_no_secret() {
    let bus = bus();
    let path = |bus: &LogBus| match &bus.query(&EVERYTHING)[0].what {
        What::Access(access) => access.path.to_string(),
        What::Event { .. } => panic!("not an access line"),
    };
    let configure = |names: &[&'static str]| {
        bus.configure(100, 1 << 20, 1 << 10, Arc::new(Redactor::new(names.iter().copied())));
    };
    configure(&["tenant"]);
    offer_line(&bus, "/a;tenant=acme;city=rome");
    bus.flush().await;
    assert_eq!(path(&bus), "/a;tenant=***;city=rome");
    configure(&[]);
    assert_eq!(path(&bus), "/a;tenant=***;city=rome", "it was a secret when it was written");
    configure(&["city"]);
    assert_eq!(path(&bus), "/a;tenant=***;city=***", "it is a secret now");
    assert_eq!(bus.query(&Filter { search: Some("acme".into()), ..EVERYTHING }).len(), 0, "nor can it be searched for");
    assert_eq!(bus.query(&Filter { search: Some("rome".into()), ..EVERYTHING }).len(), 0);
}

#[tokio::test]
async fn what_comes_while_the_collector_sleeps_wakes_it() {
    let bus = bus();
    let mut news = bus.watch();
    for number in 0..20 {
        // Sometimes it sleeps already, sometimes it is about to.
        tokio::time::sleep(Duration::from_millis(number)).await;
        offer_line(&bus, "/");
        tokio::time::timeout(Duration::from_secs(10), news.changed()).await.expect("it sleeps").unwrap();
    }
    assert_eq!(bus.query(&EVERYTHING).len(), 20);
}

#[tokio::test]
async fn times_are_those_of_the_clock() {
    let bus = bus();
    let before = SystemTime::now();
    offer_line(&bus, "/");
    bus.flush().await;
    let slack = Duration::from_millis(1);
    let time = bus.query(&EVERYTHING)[0].time;
    assert!(time + slack >= before && time <= SystemTime::now() + slack, "{time:?} is not about {before:?}");
}

#[tokio::test]
async fn the_collector_ends_with_the_bus() {
    let bus = bus();
    let weak = Arc::downgrade(&bus.0);
    offer_line(&bus, "/");
    bus.flush().await;
    drop(bus);
    let end = Instant::now() + Duration::from_secs(10);
    while weak.strong_count() > 0 && Instant::now() < end {
        thread::yield_now();
    }
    assert_eq!(weak.strong_count(), 0);
}
