//! Many who ask for the same.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stampede_is_one_fetch() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let origin = Origin::saying(FRESH).gated(&gate);
    let host = start(json!({ "cache": {} })).await;
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let (host, origin) = (host.clone(), origin.clone());
            tokio::spawn(async move { ask(&host, &get("/hot"), &origin).await })
        })
        .collect();
    eventually("the first fetches", || async { origin.calls() == 1 }).await;
    gate.add_permits(1000);
    for task in tasks {
        assert_eq!(task.await.unwrap().1, "1");
    }
    assert_eq!(origin.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_or_in_greater_number_than_configured() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let origin = Origin::saying(FRESH).gated(&gate);
    let host = start(json!({ "cache": { "collapse": { "wait": "2s", "waiters": 3 } } })).await;
    let spawn = || {
        let (host, origin) = (host.clone(), origin.clone());
        tokio::spawn(async move { ask(&host, &get("/slow"), &origin).await })
    };
    let tasks: Vec<_> = (0..5).map(|_| spawn()).collect();
    // One fetches, three wait, the fifth does not.
    tokio::time::sleep(Duration::from_millis(1900)).await;
    assert_eq!(origin.calls(), 2);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(origin.calls(), 5);
    gate.add_permits(5);
    for task in tasks {
        assert_eq!(task.await.unwrap().0, "MISS");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_fetches_for_others_may_leave_fail_or_bring_what_is_not_for_them() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let origin = Origin::saying(FRESH).gated(&gate);
    let host = start(json!({ "cache": {} })).await;
    let spawn = |path: &'static str, origin: &Origin| {
        let (host, origin) = (host.clone(), origin.clone());
        tokio::spawn(async move { ask(&host, &get(path), &origin).await })
    };
    let first = spawn("/left", &origin);
    eventually("it fetches", || async { origin.calls() == 1 }).await;
    let others: Vec<_> = (0..4).map(|_| spawn("/left", &origin)).collect();
    tokio::time::sleep(Duration::from_millis(10)).await;
    first.abort();
    eventually("another fetches", || async { origin.calls() == 2 }).await;
    gate.add_permits(100);
    for other in others {
        assert_eq!(other.await.unwrap().1, "2");
    }
    // What is not to be stored is fetched by each, and soon nobody waits for it.
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let private = Origin::saying(&[("cache-control", "private")]).gated(&gate);
    let tasks: Vec<_> = (0..4).map(|_| spawn("/private", &private)).collect();
    eventually("the first fetches", || async { private.calls() == 1 }).await;
    gate.add_permits(1);
    eventually("the others do too", || async { private.calls() == 4 }).await;
    let more: Vec<_> = (0..4).map(|_| spawn("/private", &private)).collect();
    eventually("and the next at once", || async { private.calls() == 8 }).await;
    gate.add_permits(100);
    for task in tasks.into_iter().chain(more) {
        assert_eq!(task.await.unwrap().0, "MISS");
    }
}
