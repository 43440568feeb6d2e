//! Reading and writing agree, and no bytes do harm.

use buntime_keyval_types::structured::{MAX_DEPTH, Property, Structured, regexp_bits, regexp_flags};
use proptest::{collection::vec, prelude::*};

use crate::trees::{cyclic, tree};

proptest! {
    #[test]
    fn a_tree_comes_back(tree in tree()) {
        prop_assert_eq!(Structured::decode(&tree.encode()), Ok(tree));
    }

    #[test]
    fn any_bytes_are_read_or_refused(version in 12_u8..18, bytes in vec(any::<u8>(), 0..200)) {
        let bytes = [vec![0xff, version], bytes].concat();
        if let Ok(read) = Structured::decode(&bytes) {
            // NaN is not equal to itself, so the text.
            prop_assert_eq!(format!("{:?}", Structured::decode(&read.encode())), format!("Ok({read:?})"));
        }
    }

    /// Of what is almost right more is read.
    #[test]
    fn damaged_bytes_are_read_or_refused(
        tree in tree(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = tree.encode();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        // It does not matter whether, but that it ends.
        let _ = Structured::decode(&bytes);
        let _ = Structured::decode(&bytes[..end.index(bytes.len())]);
    }
}

#[test]
fn references_come_back() {
    assert_eq!(Structured::decode(&cyclic().encode()), Ok(cyclic()));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| {
        let value = (1..depth).fold(Structured::Null, |inner, _| Structured::Set(vec![inner]));
        Structured::decode(&value.encode())
    };
    assert!(nested(MAX_DEPTH).is_ok());
    assert_eq!(nested(MAX_DEPTH + 1).unwrap_err().to_string(), "Invalid value: it is nested too deep");
}

#[test]
fn what_cannot_be_stored_is_refused() {
    for (bytes, why) in [
        ([0xff, 15, b't', 0].as_slice(), "memory that is shared or transferred cannot be stored"),
        (&[0xff, 15, b'\\', 13, 0], "an object of the host cannot be stored"),
        (&[0xff, 15, b'\\', 0], "it ends too early"),
        (&[0xff, 15, b'\\', 3, 1, 0], "a view does not fit its buffer"),
        (&[0xff, 15, b'^', 0], "a reference leads nowhere"),
        (&[0xff, 15, b'A', 0xff, 0xff, 0xff, 0xff, 0x0f], "it ends too early"),
        (&[0xff, 15, b'"', 0xff, 0xff, 0xff, 0xff, 0x0f], "it ends too early"),
        (&[0xff, 15, b'R', b'"', 0, 64], "a regular expression's flags are unknown"),
        (&[0xff, 15, b'T', b'T'], "something follows it"),
        (&[0xff, 12, b'T'], "its format is none of 13 to 16"),
        (b"T", "it does not begin as V8's do"),
        (&[0xff, 15, b'a', 1, b'I', 2, b'0', b'@', 1, 1], "an array's element is behind its end"),
        (&[0xff, 15, b'A', 0, b'I', 0, b'0', b'$', 1, 0], "an array's element is among its other properties"),
        (&[], "it ends too early"),
        (&[0xff, 15, b'B', 4, 0, 0, 0, 0, b'V', b'W', 1, 2, 0], "a view does not fit its buffer"),
        (&[0xff, 15, b'B', 4, 0, 0, 0, 0, b'V', b'W', 4, 2, 0], "a view does not fit its buffer"),
    ] {
        let error = Structured::decode(bytes).unwrap_err().to_string();
        assert_eq!(error, format!("Invalid value: {why}"), "{bytes:?}");
    }
}

#[test]
fn flags_have_their_bits() {
    assert_eq!(regexp_flags(0b1_1011_1111), "gimyusdv");
    assert_eq!(regexp_bits("dgimsuy"), Some(0b1011_1111));
    for wrong in ["l", "gg", "uv", "x", "é"] {
        assert_eq!(regexp_bits(wrong), None, "{wrong}");
    }
}

#[test]
fn arrays_are_sparse_if_they_must_be() {
    let at =
        |names: &[&str]| -> Vec<Property> { names.iter().map(|name| ((*name).into(), Structured::Null)).collect() };
    let null = || Some(Structured::Null);
    let array = Structured::Array;
    assert_eq!(Structured::sparse(0, at(&[])), array(vec![], vec![]));
    assert_eq!(Structured::sparse(4, at(&["1", "2", "x"])), array(vec![None, null(), null(), None], at(&["x"])));
    for (length, names) in
        [(5, ["1", "2"].as_slice()), (2, &["1", "0"]), (2, &["0", "x", "1"]), (1, &["0", "1"]), (u32::MAX, &["0"])]
    {
        assert_eq!(Structured::sparse(length, at(names)), Structured::Sparse(length, at(names)));
    }
}
