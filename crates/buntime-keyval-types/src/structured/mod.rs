//! JavaScript values as V8 serializes them (structured clone, formats 13 to 16): read into a tree, and written from one.
//!
//! The bytes are what is stored; the tree is for looking at them. It keeps every value, but not every choice of their
//! writer: a number's and a string's width, and whether a property's name was written as a number.

mod join;
mod read;
pub(crate) mod scan;
mod text;
pub(crate) mod write;

use num_bigint::BigInt;

pub use self::text::Text;

/// Values may be nested so deep.
pub const MAX_DEPTH: usize = 100;

/// A JavaScript value.
///
/// Everything from [`Date`](Self::Date) on is an object. Objects are numbered from 0 in the order in which they begin,
/// a view after its buffer; [`Reference`](Self::Reference) is such a number. So cycles are representable.
#[derive(Clone, Debug, PartialEq)]
pub enum Structured {
    /// `undefined`.
    Undefined,
    /// `null`.
    Null,
    /// `true` and `false`.
    Bool(bool),
    /// A small integer.
    Int(i32),
    /// Any other number.
    Double(f64),
    /// A bigint.
    BigInt(BigInt),
    /// A string.
    String(Text),
    /// The object of that number, again.
    Reference(u32),
    /// Milliseconds since the Unix epoch; `NaN` is an invalid date.
    Date(f64),
    /// Its source, and its flags in V8's bits; see [`regexp_flags`].
    RegExp(Text, u32),
    /// `new Boolean`, `new Number`, `Object(1n)`, `new String`: one of the primitives.
    Boxed(Box<Self>),
    /// An array without holes but those marked with [`None`], and its other properties.
    Array(Vec<Option<Self>>, Vec<Property>),
    /// An array of that length whose elements are properties; see [`sparse`](Self::sparse).
    Sparse(u32, Vec<Property>),
    /// A plain object.
    Object(Vec<Property>),
    /// A `Map`.
    Map(Vec<(Self, Self)>),
    /// A `Set`.
    Set(Vec<Self>),
    /// An `ArrayBuffer`; a resizable one has its greatest length.
    Buffer(Vec<u8>, Option<u32>),
    /// A view of a buffer.
    View(Box<View>),
    /// An error.
    Error(Box<Failure>),
}

/// A property's name and value.
pub type Property = (Text, Structured);

/// A typed array or a `DataView`.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// What it shows.
    pub kind: ViewKind,
    /// Bytes before it in the buffer.
    pub offset: u32,
    /// Its bytes.
    pub length: u32,
    /// Whether it follows its buffer's length, in V8's bits.
    pub flags: u32,
    /// [`Structured::Buffer`], or a reference to one.
    pub buffer: Structured,
}

/// An `Error` object. V8 keeps no other properties of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Which of the language's own; others are `Error`.
    pub name: FailureName,
    /// Its message.
    pub message: Option<Text>,
    /// Its cause.
    pub cause: Option<Structured>,
    /// Its stack.
    pub stack: Option<Text>,
}

macro_rules! named {
    ($(#[$meta:meta])* $name:ident: $($variant:ident $tag:literal $text:literal $size:literal,)*) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the names are JavaScript's")]
        pub enum $name { $($variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in JavaScript.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }

            pub(crate) const fn tag(self) -> u8 {
                match self { $(Self::$variant => $tag,)* }
            }

            fn from_tag(tag: u32) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| u32::from(one.tag()) == tag)
            }

            /// Bytes of one element.
            #[allow(dead_code, reason = "errors have no elements")]
            pub const fn size(self) -> u32 {
                match self { $(Self::$variant => $size,)* }
            }
        }
    };
}

named! {
    /// What a view shows.
    ViewKind:
    Int8 b'b' "Int8Array" 1, Uint8 b'B' "Uint8Array" 1, Uint8Clamped b'C' "Uint8ClampedArray" 1,
    Int16 b'w' "Int16Array" 2, Uint16 b'W' "Uint16Array" 2, Int32 b'd' "Int32Array" 4, Uint32 b'D' "Uint32Array" 4,
    Float16 b'h' "Float16Array" 2, Float32 b'f' "Float32Array" 4, Float64 b'F' "Float64Array" 8,
    BigInt64 b'q' "BigInt64Array" 8, BigUint64 b'Q' "BigUint64Array" 8, Data b'?' "DataView" 1,
}

named! {
    /// The language's errors.
    FailureName:
    Error 0 "Error" 0, Eval b'E' "EvalError" 0, Range b'R' "RangeError" 0, Reference b'F' "ReferenceError" 0,
    Syntax b'S' "SyntaxError" 0, Type b'T' "TypeError" 0, Uri b'U' "URIError" 0,
}

impl Structured {
    /// A number: small integers are [`Int`](Self::Int), all others, `-0` among them, [`Double`](Self::Double).
    pub fn number(number: f64) -> Self {
        // `as` saturates and maps NaN to zero, which is then unequal.
        let small = number as i32;
        if f64::from(small).to_bits() == number.to_bits() { Self::Int(small) } else { Self::Double(number) }
    }
}

impl Structured {
    /// An array of that length with these properties: [`Sparse`](Self::Sparse), unless at least half of its elements are
    /// there, in their order and before other properties. V8 writes every array that ever had a hole as a sparse one.
    pub fn sparse(length: u32, mut elements: Vec<Property>) -> Self {
        let mut next = 0;
        let in_order = |(name, _): &&Property| match name.index() {
            Some(index) if index >= next && index < length => {
                next = index + 1;
                true
            }
            _ => false,
        };
        let present = elements.iter().take_while(in_order).count();
        let (_, rest) = elements.split_at(present);
        if length as usize > 2 * present || rest.iter().any(|(name, _)| name.index().is_some()) {
            return Self::Sparse(length, elements);
        }
        let rest = elements.split_off(present);
        let mut all = Vec::new();
        for (name, value) in elements {
            all.resize(name.index().map_or(0, |index| index as usize), None);
            all.push(Some(value));
        }
        all.resize(length as usize, None);
        Self::Array(all, rest)
    }
}

/// The letters of a regular expression's flags, in the order of V8's bits. `l`, linear time, is no flag of the language.
const FLAGS: &str = "gimyusldv";

/// All of V8's bits that are the language's.
const KNOWN_FLAGS: u32 = 0b1_1011_1111;

/// The flags as in `/a/gi`.
pub fn regexp_flags(bits: u32) -> String {
    let set = |bit: &usize| (bits & KNOWN_FLAGS) >> bit & 1 == 1;
    FLAGS.char_indices().filter(|(bit, _)| set(bit)).map(|(_, flag)| flag).collect()
}

/// V8's bits of these flags, if they are some: each once, and not both `u` and `v`.
pub fn regexp_bits(flags: &str) -> Option<u32> {
    let bits = flags.chars().try_fold(0, |bits, flag| {
        let bit = 1 << FLAGS.find(flag)?;
        (bits & bit == 0).then_some(bits | bit)
    })?;
    are_flags(bits).then_some(bits)
}

fn are_flags(bits: u32) -> bool {
    const UNICODE: u32 = 0b1_0001_0000;
    bits & !KNOWN_FLAGS == 0 && bits & UNICODE != UNICODE
}
