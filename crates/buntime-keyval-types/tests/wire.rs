//! KV Connect's messages: whatever comes in is a request or an error, never a panic.

use buntime_keyval_types::{Atomic, Change, Range, Value, key, wire};
use proptest::prelude::*;
use prost::Message;

#[test]
fn a_write_is_what_its_fields_say() {
    let write = wire::AtomicWrite {
        checks: vec![wire::Check { key: key!["a"].as_bytes().to_vec(), versionstamp: vec![] }],
        mutations: vec![wire::Mutation {
            key: key!["n"].as_bytes().to_vec(),
            value: Some(Value::U64(7).into()),
            mutation_type: wire::MutationType::Sum.into(),
            expire_at_ms: 5,
            ..Default::default()
        }],
        enqueues: vec![wire::Enqueue {
            payload: vec![0xff, 15, b'_'],
            backoff_schedule: vec![1],
            ..Default::default()
        }],
    };
    // Field numbers are the protocol's: 1 checks (1 key), 2 mutations (2 value (1 data, 2 encoding), 3 type, 4 time).
    let bytes = write.encode_to_vec();
    assert_eq!(bytes[..7], [0x0a, 0x05, 0x0a, 0x03, 0x02, b'a', 0]);
    let read = Atomic::try_from(wire::AtomicWrite::decode(bytes.as_slice()).unwrap()).unwrap();
    assert_eq!((&read.checks[0].key, read.checks[0].versionstamp), (&key!["a"], None));
    assert!(matches!(&read.mutations[0].change, Change::Sum(Value::U64(7), _)));
    assert_eq!((read.mutations[0].expires_at, read.messages[0].tries()), (Some(5), 2));
}

#[test]
fn what_makes_no_sense_is_said() {
    let range =
        |start: Vec<u8>, end: Vec<u8>, limit| Range::try_from(wire::ReadRange { start, end, limit, reverse: false });
    assert!(
        range(vec![2], vec![1], 1).is_err()
            && range(vec![1], vec![2], 0).is_err()
            && range(vec![1], vec![2], -1).is_err()
    );
    assert!(range(vec![0x99], vec![], 1).is_err(), "no key");
    assert!(range(vec![1], vec![2], 1).is_ok());
    let mutation = wire::Mutation { key: key!["a"].as_bytes().to_vec(), mutation_type: 77, ..Default::default() };
    assert!(Atomic::try_from(wire::AtomicWrite { mutations: vec![mutation], ..Default::default() }).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_a_request_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(write) = wire::AtomicWrite::decode(bytes.as_slice()) {
            drop(Atomic::try_from(write));
        }
        if let Ok(read) = wire::SnapshotRead::decode(bytes.as_slice()) {
            read.ranges.into_iter().for_each(|range| drop(Range::try_from(range)));
        }
    }
}
