//! Any value.

use buntime_keyval_types::structured::{Failure, FailureName, Structured, Text, View, ViewKind};
use num_bigint::BigInt;
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
};

/// Any text, now and then with lone surrogates.
pub(crate) fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        4 => ".{0,8}".prop_map(Text::from),
        1 => "[0-9]{1,11}".prop_map(Text::from),
        1 => select(vec!["__type", "$now", "__proto__", "", "-1", "4294967294", "4294967295"]).prop_map(Text::from),
        1 => vec(any::<u16>(), 0..6).prop_map(Text::from_units),
    ]
}

pub(crate) fn bigint() -> impl Strategy<Value = BigInt> {
    vec(any::<u8>(), 0..20).prop_map(|bytes| BigInt::from_signed_bytes_le(&bytes))
}

/// A double that is not `NaN`, which is unequal to itself.
fn double() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("equal", |number| !number.is_nan()),
        (-1_000_000_i64..1_000_000).prop_map(|number| number as f64 / 8.0),
        select(vec![0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, 2_147_483_648.0, 9_007_199_254_740_992.0]),
    ]
}

fn primitive() -> impl Strategy<Value = Structured> {
    prop_oneof![
        any::<bool>().prop_map(Structured::Bool),
        any::<i32>().prop_map(Structured::Int),
        double().prop_map(Structured::number),
        bigint().prop_map(Structured::BigInt),
        text().prop_map(Structured::String),
    ]
}

fn view() -> impl Strategy<Value = Structured> {
    (select(ViewKind::ALL), vec(any::<u8>(), 0..4), option::of(0_u32..9), 0_u32..3, 0_u32..3).prop_map(
        |(kind, eights, more, before, shown)| {
            let bytes: Vec<u8> = eights.iter().flat_map(|byte| [*byte; 8]).collect();
            let whole = bytes.len() as u32;
            let offset = whole.min(before * 8);
            let length = (whole - offset).min(shown * 8);
            let (flags, most) = more.map_or((0, None), |more| (2, Some(whole + more)));
            Structured::View(Box::new(View { kind, offset, length, flags, buffer: Structured::Buffer(bytes, most) }))
        },
    )
}

fn flags() -> impl Strategy<Value = u32> {
    select(vec![0, 1, 2, 4, 8, 16, 32, 128, 256, 3, 7 | 16, 128 | 256])
}

fn leaf() -> impl Strategy<Value = Structured> {
    prop_oneof![
        6 => primitive(),
        1 => Just(Structured::Undefined),
        1 => Just(Structured::Null),
        1 => primitive().prop_map(|inner| Structured::Boxed(Box::new(inner))),
        1 => (-8_640_000_000_000_000_i64..8_640_000_000_000_000).prop_map(|time| Structured::Date(time as f64)),
        1 => (0_i64..4_000_000_000_000).prop_map(|time| Structured::Date(time as f64)),
        1 => (text(), flags()).prop_map(|(source, flags)| Structured::RegExp(source, flags)),
        1 => (vec(any::<u8>(), 0..9), option::of(9_u32..99)).prop_map(|(bytes, most)| Structured::Buffer(bytes, most)),
        1 => view(),
    ]
}

/// Any value without references.
pub(crate) fn tree() -> impl Strategy<Value = Structured> {
    leaf().prop_recursive(5, 60, 6, |inner| {
        let inner = inner.boxed();
        let properties = vec((text(), inner.clone()), 0..5).boxed();
        // Elements are no other properties, and within the length.
        let other =
            |(name, value): (Text, Structured)| (Text::from(format!("x{}", name.as_str().unwrap_or(""))), value);
        let others = vec((text(), inner.clone()).prop_map(other), 0..3).boxed();
        let elements = btree_map(0_u32..12, inner.clone(), 0..6).prop_map(|elements| {
            elements.into_iter().map(|(index, value)| (Text::from(index.to_string()), value)).collect::<Vec<_>>()
        });
        let failure = (select(FailureName::ALL), option::of(text()), option::of(inner.clone()), option::of(text()));
        prop_oneof![
            3 => properties.prop_map(Structured::Object),
            2 => vec(inner.clone().prop_map(Some), 0..6).prop_map(|elements| Structured::Array(elements, Vec::new())),
            1 => (vec(option::of(inner.clone()), 0..6), others.clone())
                .prop_map(|(elements, rest)| Structured::Array(elements, rest)),
            1 => (elements, others, prop_oneof![12_u32..20, any::<u32>()]).prop_map(|(elements, others, length)| {
                Structured::sparse(length.max(12), [elements, others].concat())
            }),
            1 => vec((inner.clone(), inner.clone()), 0..4).prop_map(Structured::Map),
            1 => vec(inner, 0..4).prop_map(Structured::Set),
            1 => failure.prop_map(|(name, message, cause, stack)| {
                Structured::Error(Box::new(Failure { name, message, cause, stack }))
            }),
        ]
    })
}

/// A value with a reference in every place where one may be: to itself, and to its buffer.
pub(crate) fn cyclic() -> Structured {
    let again = || Structured::Reference(0);
    let view =
        |buffer| Structured::View(Box::new(View { kind: ViewKind::Uint16, offset: 2, length: 2, flags: 0, buffer }));
    let failure = Failure { name: FailureName::Type, message: None, cause: Some(again()), stack: None };
    Structured::Object(vec![
        ("self".into(), again()),
        ("map".into(), Structured::Map(vec![(again(), Structured::Set(vec![again()]))])),
        ("buffer".into(), Structured::Buffer(vec![1, 2, 3, 4], None)),
        ("view".into(), view(Structured::Reference(3))),
        ("list".into(), Structured::Array(vec![Some(again()), None, Some(Structured::Reference(4))], Vec::new())),
        ("error".into(), Structured::Error(Box::new(failure))),
    ])
}
