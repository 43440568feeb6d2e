//! What choosing a target and taking a place at it costs, for few targets and for many.

use std::hint::black_box;

use buntime_config::model::{Algorithm, HashKey, Target, Upstream};
use buntime_core::Clock;
use buntime_upstream::{Cluster, ClusterOptions, Surroundings};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tokio_util::sync::CancellationToken;

fn cluster(algorithm: Algorithm, targets: u16, weighted: bool) -> std::sync::Arc<Cluster> {
    let target = |number: u16| Target {
        weight: if weighted { u32::from(number % 7) + 1 } else { 1 },
        ..Target::new(format!("http://127.0.0.1:{}", 9000 + number).parse().expect("a URL"))
    };
    let mut settings = Upstream::new((0..targets).map(target).collect());
    settings.algorithm = algorithm;
    settings.key_by = Some(HashKey::Ip);
    let around = Surroundings::new(Clock::system(), CancellationToken::new());
    Cluster::open("bench", &settings, &ClusterOptions::default(), &around, None).expect("a cluster")
}

fn pick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick");
    for (name, algorithm) in [
        ("round_robin", Algorithm::RoundRobin),
        ("weighted", Algorithm::Weighted),
        ("least_connections", Algorithm::LeastConnections),
        ("p2c", Algorithm::P2c),
        ("consistent_hash", Algorithm::ConsistentHash),
    ] {
        for targets in [2, 100] {
            for weighted in [false, true] {
                let cluster = cluster(algorithm, targets, weighted);
                let hashes = algorithm == Algorithm::ConsistentHash;
                let mut key = 0u64;
                let name = if weighted { format!("{name}, weights") } else { name.to_owned() };
                group.bench_function(BenchmarkId::new(name, targets), |bencher| {
                    bencher.iter(|| {
                        key = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
                        black_box(cluster.pick_and_leave(hashes.then_some(key)))
                    });
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, pick);
criterion_main!(benches);
