//! Whom a cluster chooses, without any network.

use std::{collections::BTreeMap, time::Duration};

use buntime_config::model::Upstream as Settings;
use buntime_core::Clock;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;

fn open_after(settings: Value, clock: &Clock, before: Option<&Cluster>) -> Arc<Cluster> {
    let settings: Settings = serde_json::from_value(settings).unwrap();
    let around = Surroundings::new(clock.clone(), CancellationToken::new());
    Cluster::open("test", &settings, &ClusterOptions::default(), &around, before).unwrap()
}

fn open(settings: Value) -> Arc<Cluster> {
    open_after(settings, &Clock::fake(), None)
}

fn url(number: usize) -> String {
    format!("http://127.0.0.1:{}", 9000 + number)
}

/// Targets 0, 1, … with those weights.
fn weighted(weights: &[u32]) -> Vec<Value> {
    weights.iter().enumerate().map(|(number, weight)| json!({ "url": url(number), "weight": weight })).collect()
}

fn number(slot: &Slot) -> usize {
    slot.target().url.rsplit([':', '/']).find_map(|port| port.parse::<usize>().ok()).unwrap() - 9000
}

impl Cluster {
    fn take(&self, key: Option<u64>) -> Result<Slot, Denied> {
        self.claim(key, &Marks::default())
    }

    /// Who gets each of that many requests, one at a time.
    fn row(&self, count: usize) -> Vec<usize> {
        (0..count).map(|_| number(&self.take(None).unwrap())).collect()
    }

    fn counts(&self, count: usize) -> BTreeMap<usize, usize> {
        self.row(count).into_iter().fold(BTreeMap::new(), |mut counts, number| {
            *counts.entry(number).or_default() += 1;
            counts
        })
    }

    fn state(&self, target: usize) -> TargetState {
        self.report().targets[target].state
    }
}

fn near(count: usize, expected: usize, by: usize) {
    assert!(count.abs_diff(expected) <= by, "{count} is not {expected} ± {by}");
}

#[test]
fn round_robin_is_smooth_and_weighted() {
    let cluster = open(json!({ "targets": weighted(&[5, 1, 1]) }));
    assert_eq!(cluster.row(7), [0, 0, 1, 0, 2, 0, 0]);
    let cluster = open(json!({ "targets": weighted(&[90, 10]) }));
    assert_eq!(cluster.counts(1000), BTreeMap::from([(0, 900), (1, 100)]));
    let cluster = open(json!({ "targets": weighted(&[999_983, 1]) }));
    assert_eq!(cluster.counts(1000).get(&0), Some(&1000));
}

#[test]
fn at_random_by_weight_or_not() {
    let counts = open(json!({ "algorithm": "weighted", "targets": weighted(&[9, 1]) })).counts(20_000);
    near(counts[&0], 18_000, 400);
    let counts = open(json!({ "algorithm": "random", "targets": weighted(&[9, 1]) })).counts(20_000);
    near(counts[&0], 10_000, 500);
}

#[test]
fn least_connections_is_true() {
    let cluster = open(json!({ "algorithm": "least_connections", "targets": weighted(&[1; 10]) }));
    let mut held: Vec<Slot> = (0..10).map(|_| cluster.take(None).unwrap()).collect();
    held.sort_by_key(number);
    assert_eq!(held.iter().map(number).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    drop(held.remove(7));
    assert_eq!(cluster.row(5), [7; 5], "the only one that is idle, however often");
    let weights = open(json!({ "algorithm": "least_connections", "targets": weighted(&[3, 1]) }));
    let held: Vec<Slot> = (0..40).map(|_| weights.take(None).unwrap()).collect();
    near(held.iter().filter(|slot| number(slot) == 0).count(), 30, 1);
}

#[test]
fn the_better_of_two_draws() {
    let cluster = open(json!({ "algorithm": "p2c", "targets": weighted(&[1; 3]) }));
    let held: Vec<Slot> = std::iter::repeat_with(|| cluster.take(None).unwrap()).take(3000).collect();
    for target in 0..3 {
        near(held.iter().filter(|slot| number(slot) == target).count(), 1000, 20);
    }
}

#[test]
fn weight_zero_gets_nothing() {
    for algorithm in ["round_robin", "weighted", "least_connections", "random", "p2c"] {
        let cluster = open(json!({ "algorithm": algorithm, "targets": weighted(&[1, 0, 1]) }));
        assert_eq!(cluster.counts(200).get(&1), None, "{algorithm}");
    }
    let cluster = open(json!({ "algorithm": "ip_hash", "targets": weighted(&[1, 0, 1]) }));
    assert!((0..200).all(|key| number(&cluster.take(Some(hash::mix(key))).unwrap()) != 1));
    assert_eq!(cluster.state(1), TargetState::Weightless);
}

#[test]
fn a_lower_tier_only_while_no_higher_one_is_well() {
    let clock = Clock::fake();
    let cluster = open_after(
        json!({ "targets": [{ "url": url(0) }, { "url": url(1), "priority": 1 }, { "url": url(2), "priority": 2 }] }),
        &clock,
        None,
    );
    assert_eq!(cluster.row(3), [0; 3]);
    cluster.set(&url(0), Override::Drain).unwrap();
    assert_eq!(cluster.row(3), [1; 3]);
    cluster.set(&url(1), Override::ForceOpen).unwrap();
    assert_eq!(cluster.row(3), [2; 3]);
    cluster.set(&url(2), Override::Drain).unwrap();
    assert_eq!(cluster.take(None).unwrap_err(), Denied::Tripped);
    cluster.set(&format!("{}/", url(0)), Override::Auto).unwrap();
    assert_eq!(cluster.row(3), [0; 3]);
    assert_eq!(cluster.set("http://nobody", Override::Drain), Err(UnknownTarget("http://nobody".to_owned())));
}

#[test]
fn who_was_tried_comes_last() {
    let cluster = open(json!({ "targets": [{ "url": url(0) }, { "url": url(1) }, { "url": url(2), "priority": 1 }] }));
    let mut tried = Marks::default();
    let mut order: Vec<usize> = Vec::new();
    for _ in 0..4 {
        let slot = cluster.claim(None, &tried).unwrap();
        tried.add(slot.member.index);
        order.push(number(&slot));
    }
    order[..2].sort_unstable();
    assert_eq!(order[..3], [0, 1, 2], "its own tier, then the next");
    assert!(order[3] < 2, "then the best again");
}

#[test]
fn a_target_that_fails_is_left_alone_for_a_while_but_never_all() {
    let clock = Clock::fake();
    let health = json!({ "passive": { "failures": 3, "window": "10s" } });
    let cluster = open_after(json!({ "targets": weighted(&[1; 2]), "health": health }), &clock, None);
    for _ in 0..12 {
        cluster.take(None).unwrap().failed("broken".to_owned());
    }
    let states = [cluster.state(0), cluster.state(1)];
    assert!(states.contains(&TargetState::Ejected) && states.contains(&TargetState::Healthy), "{states:?}");
    let well = states.iter().position(|state| *state == TargetState::Healthy).unwrap();
    assert_eq!(cluster.row(4), [well; 4]);
    clock.advance(Duration::from_secs(10));
    assert_eq!(cluster.counts(10), BTreeMap::from([(0, 5), (1, 5)]));
    for _ in 0..2 {
        cluster.take(None).unwrap().failed("broken".to_owned());
        clock.advance(Duration::from_secs(11));
    }
    assert_eq!(cluster.counts(10).len(), 2, "too seldom");
}

#[test]
fn a_breakers_probes_are_bounded() {
    let clock = Clock::fake();
    let breaker = json!({ "failures": 2, "window": "60s", "open": "30s", "halfOpenProbes": 3, "successes": 2 });
    let cluster = open_after(json!({ "targets": weighted(&[1]), "breaker": breaker }), &clock, None);
    for _ in 0..2 {
        cluster.take(None).unwrap().failed("broken".to_owned());
    }
    assert_eq!(cluster.state(0), TargetState::Open);
    assert_eq!(cluster.take(None).unwrap_err(), Denied::Tripped);
    cluster.set(&url(0), Override::ForceClosed).unwrap();
    assert!(cluster.take(None).is_ok(), "whatever its breaker says");
    cluster.set(&url(0), Override::Auto).unwrap();
    assert_eq!(cluster.take(None).unwrap_err(), Denied::Tripped);
    clock.advance(Duration::from_secs(30));
    let mut entered: Vec<Slot> = (0..100).filter_map(|_| cluster.take(None).ok()).collect();
    assert_eq!((entered.len(), cluster.state(0)), (3, TargetState::HalfOpen));
    drop(entered.pop());
    entered.push(cluster.take(None).unwrap());
    entered.iter_mut().take(2).for_each(Slot::succeeded);
    assert_eq!(cluster.state(0), TargetState::Healthy);
    assert!(cluster.take(None).is_ok());
}

#[test]
fn others_serve_while_one_is_half_open() {
    let clock = Clock::fake();
    let breaker = json!({ "failures": 1, "open": "30s", "halfOpenProbes": 1 });
    let settings = json!({ "targets": [{ "url": url(0) }, { "url": url(1), "priority": 1 }], "breaker": breaker });
    let cluster = open_after(settings, &clock, None);
    cluster.take(None).unwrap().failed("broken".to_owned());
    assert_eq!(cluster.row(3), [1; 3]);
    clock.advance(Duration::from_secs(30));
    let mut probe = cluster.take(None).unwrap();
    assert_eq!((number(&probe), cluster.row(3)), (0, vec![1; 3]));
    probe.failed("still broken".to_owned());
    drop(probe);
    assert_eq!((cluster.state(0), cluster.row(3)), (TargetState::Open, vec![1; 3]));
}

#[test]
fn full_targets_are_passed_over_and_a_full_tier_is_not() {
    let settings = json!({ "targets": [{ "url": url(0), "maxConnections": 1 }, { "url": url(1), "maxConnections": 2 },
        { "url": url(2), "priority": 1 }] });
    let cluster = open(settings);
    let mut held: Vec<Slot> = (0..3).map(|_| cluster.take(None).unwrap()).collect();
    assert_eq!(cluster.take(None).unwrap_err(), Denied::Full);
    held.remove(0);
    assert!(cluster.take(None).is_ok());
}

#[test]
fn a_target_that_comes_back_starts_slowly() {
    let clock = Clock::fake();
    let settings = json!({ "targets": weighted(&[1, 1]), "slowStart": "20s" });
    let cluster = open_after(settings, &clock, None);
    assert_eq!(cluster.counts(100)[&0], 50, "all are new");
    cluster.set(&url(0), Override::Drain).unwrap();
    cluster.set(&url(0), Override::Auto).unwrap();
    let share = |cluster: &Cluster| cluster.counts(2100).get(&0).copied().unwrap_or_default();
    near(share(&cluster), 100, 5);
    clock.advance(Duration::from_secs(9));
    near(share(&cluster), 700, 5);
    assert_eq!(cluster.report().targets[0].share, 50);
    clock.advance(Duration::from_secs(11));
    near(share(&cluster), 1050, 1);
    let more = json!({ "targets": weighted(&[1, 1, 1]), "slowStart": "20s" });
    let cluster = open_after(more, &clock, Some(&cluster));
    near(cluster.counts(2050).get(&2).copied().unwrap_or_default(), 50, 5);
    clock.advance(Duration::from_secs(20));
    near(cluster.counts(300)[&2], 100, 1);
}

#[test]
fn what_is_known_outlives_a_reload() {
    let clock = Clock::fake();
    let breaker = json!({ "failures": 1 });
    let old = open_after(json!({ "targets": weighted(&[1, 1, 1]), "breaker": breaker }), &clock, None);
    old.set(&url(0), Override::Drain).unwrap();
    let mut held = old.take(None).unwrap();
    held.failed("broken".to_owned());
    let failed = number(&held);
    let new = open_after(json!({ "targets": weighted(&[5, 5, 5]), "breaker": breaker }), &clock, Some(&old));
    assert_eq!(new.state(0), TargetState::Draining);
    assert_eq!(new.state(failed), TargetState::Open);
    let report = new.report();
    assert_eq!((report.targets[failed].in_flight, report.targets[failed].failures), (1, 1));
    assert!(report.targets[failed].last_error.as_ref().unwrap().message.contains("broken"));
    drop(held);
    assert_eq!(new.report().targets[failed].in_flight, 0);
    let other = json!({ "failures": 2 });
    let newer = open_after(json!({ "targets": weighted(&[1, 1, 1]), "breaker": other }), &clock, Some(&new));
    assert_eq!(newer.state(failed), TargetState::Healthy, "another breaker");
    old.set(&url(0), Override::Auto).unwrap();
    assert_eq!(newer.state(0), TargetState::Healthy);
}

#[test]
fn choosing_allocates_nothing() {
    for algorithm in ["round_robin", "weighted", "least_connections", "random", "p2c", "ip_hash"] {
        let cluster = open(json!({ "algorithm": algorithm, "targets": weighted(&[1, 2, 3, 4]) }));
        cluster.take(Some(7)).unwrap();
        let info = allocation_counter::measure(|| {
            for key in 0..100 {
                drop(cluster.take((algorithm == "ip_hash").then_some(key)));
            }
        });
        assert_eq!(info.count_total, 0, "{algorithm}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Only the keys of a target that goes move, and one that comes takes its share and nothing else moves.
    #[test]
    fn few_keys_move(weights in prop::collection::vec(1u32..100, 2..12), gone in any::<prop::sample::Index>()) {
        let gone = gone.index(weights.len());
        let all = weighted(&weights);
        let mut fewer = all.clone();
        fewer.remove(gone);
        let open = |targets: &[Value]| open(json!({ "algorithm": "consistent_hash", "keyBy": "ip", "targets": targets }));
        let (all, fewer) = (open(&all), open(&fewer));
        let mut moved = 0usize;
        for key in 0..2000u64 {
            let (with, without) = (all.take(Some(hash::mix(key))).unwrap(), fewer.take(Some(hash::mix(key))).unwrap());
            if number(&with) == gone {
                moved += 1;
            } else {
                prop_assert_eq!(number(&with), number(&without));
            }
        }
        let total: u32 = weights.iter().sum();
        let share = 2000.0 * f64::from(weights[gone]) / f64::from(total);
        prop_assert!((moved as f64 - share).abs() < 60.0 + share * 0.2, "{moved} moved, {share} expected");
    }

    #[test]
    fn a_target_that_is_out_gives_away_its_own_keys_only(out in 0usize..6) {
        let cluster = open(json!({ "algorithm": "ip_hash", "targets": weighted(&[1, 2, 3, 4, 5, 6]) }));
        let before: Vec<usize> = (0..500).map(|key| number(&cluster.take(Some(hash::mix(key))).unwrap())).collect();
        cluster.set(&url(out), Override::Drain).unwrap();
        for (key, before) in before.iter().enumerate() {
            let now = number(&cluster.take(Some(hash::mix(key as u64))).unwrap());
            prop_assert!(now != out && (*before == out || *before == now));
        }
    }
}
