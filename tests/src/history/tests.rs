//! The checker finds what it is there to find.

use buntime_keyval::{Atomic, Entry, Key, Range, Selector, Value, Versionstamp, key};

use super::{Did, Op, Outcome, check, journaled};

fn stamp(n: u64) -> Versionstamp {
    Versionstamp::new(n)
}

fn entry(key: Key, value: u64, at: u64) -> Entry {
    Entry { key, value: Value::U64(value), versionstamp: stamp(at), expires_at: None }
}

fn wrote(start: u64, end: u64, id: u32, write: Atomic, outcome: Outcome) -> Op {
    Op { start, end, did: Did::Write { id, write: journaled(id, write), outcome } }
}

fn set(start: u64, end: u64, id: u32, key: Key, at: u64) -> Op {
    wrote(start, end, id, Atomic::new().set(key, Value::U64(id.into())), Outcome::Yes(stamp(at)))
}

fn read(start: u64, end: u64, keys: &[Key], found: &[Option<Entry>]) -> Op {
    let ranges: Vec<Range> = keys.iter().map(Range::of_key).collect();
    let found = found.iter().map(|entry| entry.iter().cloned().collect()).collect();
    Op { start, end, did: Did::Read { ranges, found } }
}

fn told(end: u64, key: Key, state: Option<Entry>) -> Op {
    Op { start: 0, end, did: Did::Told { watch: 0, keys: vec![key], state: vec![state] } }
}

fn journal(entries: &[(u32, u64)]) -> Vec<Entry> {
    entries.iter().map(|(id, at)| entry(key!["journal", *id], u64::from(*id), *at)).collect()
}

/// Two writes of `a`, one after the other: 1 as commit 1 and 2 as commit 2.
fn two() -> (Vec<Op>, Vec<Entry>) {
    let ops = vec![set(10, 20, 1, key!["a"], 1), set(30, 40, 2, key!["a"], 2)];
    (ops, [vec![entry(key!["a"], 2, 2)], journal(&[(1, 1), (2, 2)])].concat())
}

fn complaint(ops: &[Op], end: &[Entry]) -> String {
    check(ops, end, &[]).expect_err("it cannot be")
}

#[test]
fn what_can_be_is_let_pass() {
    let (mut ops, mut end) = two();
    let one = entry(key!["a"], 1, 1);
    // While the second is under way either may be seen, and what is asked for later may not see less.
    ops.push(read(25, 35, &[key!["a"], key!["b"]], &[Some(one.clone()), None]));
    ops.push(read(31, 38, &[key!["a"]], &[Some(entry(key!["a"], 2, 2))]));
    ops.push(told(22, key!["a"], Some(one)));
    ops.push(told(99, key!["a"], Some(entry(key!["a"], 2, 2))));
    let checks = Atomic::new().check(key!["a"], None).check(key!["b"], None);
    ops.push(wrote(50, 60, 3, checks, Outcome::No(vec![0])));
    ops.push(wrote(50, 60, 4, Atomic::new().set(key!["x"], Value::U64(4)), Outcome::Unknown));
    ops.push(wrote(50, 60, 5, Atomic::new().sum(key!["n"], 7).sum(key!["n"], 1), Outcome::Unknown));
    end.extend([entry(key!["n"], 8, 3), journal(&[(5, 3)]).remove(0)]);
    let checked = check(&ops, &end, &[]).unwrap();
    assert_eq!((checked.commits, checked.reads, checked.told, checked.refused), (3, 2, 2, 1));
    assert_eq!((checked.unknown_and_happened, checked.unknown_and_not), (1, 1));
}

#[test]
fn lost_and_half_writes() {
    let (ops, end) = two();
    let only = |keep: fn(&&Entry) -> bool| end.iter().filter(keep).cloned().collect::<Vec<_>>();
    assert!(complaint(&ops, &only(|entry| entry.versionstamp == stamp(1))).contains("was lost"));
    assert!(complaint(&ops, &only(|entry| entry.key != key!["a"])).contains("in the end"));
    let more = [end.clone(), vec![entry(key!["z"], 1, 2)]].concat();
    assert!(complaint(&ops, &more).contains("in the end"));
    let phantom = [end.clone(), journal(&[(9, 9)])].concat();
    assert!(complaint(&ops, &phantom).contains("nobody wrote"));
    let mut refused = ops;
    refused[1] = wrote(30, 40, 2, Atomic::new().set(key!["a"], Value::U64(2)), Outcome::Nothing("busy".into()));
    assert!(complaint(&refused, &end).contains("was refused"));
}

#[test]
fn versionstamps_against_time_and_checks_that_did_not_hold() {
    let ops = vec![set(10, 20, 1, key!["a"], 2), set(30, 40, 2, key!["b"], 1)];
    let end = [vec![entry(key!["a"], 1, 2), entry(key!["b"], 2, 1)], journal(&[(1, 2), (2, 1)])].concat();
    assert!(complaint(&ops, &end).contains("ended before"));
    let (mut ops, end) = two();
    let write = Atomic::new().check(key!["a"], None).set(key!["a"], Value::U64(2));
    ops[1] = wrote(30, 40, 2, write, Outcome::Yes(stamp(2)));
    assert!(complaint(&ops, &end).contains("do not hold"));
    let (mut ops, end) = two();
    ops.push(wrote(50, 60, 3, Atomic::new().check(key!["a"], Some(stamp(2))), Outcome::No(vec![0])));
    assert!(complaint(&ops, &end).contains("no moment"));
}

#[test]
fn reads_of_no_moment() {
    let (ops, end) = two();
    let with = |more: &[Op]| complaint(&[ops.clone(), more.to_vec()].concat(), &end);
    let (one, two) = (entry(key!["a"], 1, 1), entry(key!["a"], 2, 2));
    // Stale; from the future; never; half of it; going back.
    assert!(with(&[read(50, 60, &[key!["a"]], &[Some(one.clone())])]).contains("no moment"));
    assert!(with(&[read(21, 29, &[key!["a"]], &[Some(two.clone())])]).contains("no moment"));
    assert!(with(&[read(21, 29, &[key!["a"]], &[Some(entry(key!["a"], 7, 1))])]).contains("None"));
    let later = read(36, 37, &[key!["a"]], &[Some(one)]);
    assert!(with(&[read(31, 35, &[key!["a"]], &[Some(two)]), later]).contains("no moment"));
    let both = Atomic::new().set(key!["l"], Value::U64(3)).set(key!["r"], Value::U64(3));
    let (mut ops, mut end) = (ops, end);
    ops.push(wrote(50, 60, 3, both, Outcome::Yes(stamp(3))));
    end.extend([entry(key!["l"], 3, 3), entry(key!["r"], 3, 3), journal(&[(3, 3)]).remove(0)]);
    assert!(check(&ops, &end, &[]).is_ok());
    ops.push(read(55, 58, &[key!["l"], key!["r"]], &[Some(entry(key!["l"], 3, 3)), None]));
    assert!(complaint(&ops, &end).contains("no moment"));
}

#[test]
fn lists_are_whole() {
    let (mut ops, end) = two();
    let all = Selector::default().range(None, 1, true).unwrap();
    let last = journal(&[(2, 2)]);
    ops.push(Op { start: 50, end: 60, did: Did::Read { ranges: vec![all.clone()], found: vec![last.clone()] } });
    assert!(check(&ops, &end, &[]).is_ok());
    let longer = Range { limit: 2, ..all };
    ops.push(Op { start: 50, end: 60, did: Did::Read { ranges: vec![longer], found: vec![last] } });
    assert!(complaint(&ops, &end).contains("no moment"));
}

#[test]
fn watches_that_go_back_or_end_early() {
    let (ops, end) = two();
    let with = |more: &[Op]| complaint(&[ops.clone(), more.to_vec()].concat(), &end);
    let (one, two) = (entry(key!["a"], 1, 1), entry(key!["a"], 2, 2));
    assert!(with(&[told(99, key!["a"], Some(one.clone()))]).contains("never told"));
    assert!(with(&[told(50, key!["a"], Some(two.clone())), told(99, key!["a"], Some(one))]).contains("what was not"));
    assert!(with(&[told(25, key!["a"], Some(two))]).contains("what was not"));
}

#[test]
fn messages_that_are_lost_or_there_twice() {
    let message = buntime_keyval::Message::new(Value::U64(1));
    let ops = [wrote(10, 20, 1, Atomic::new().enqueue(message), Outcome::Yes(stamp(1)))];
    let end = journal(&[(1, 1)]);
    assert_eq!(check(&ops, &end, &[1]).unwrap().messages, 1);
    for wrong in [&[][..], &[1, 1], &[1, 2]] {
        assert!(check(&ops, &end, wrong).unwrap_err().contains("messages"), "{wrong:?}");
    }
}
